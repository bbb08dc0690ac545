import { describe, expect, test } from 'vitest';
import { createFilterIndex } from '../../src/bus/filter.ts';
import { loadModel } from '../../src/models/store.ts';
import { inspectBytes } from '../../src/onnx/inspect.ts';
import { encodeWav } from '../../src/signal/wav.ts';
import { decodeWav } from '../../src/stages/decode/wav.ts';
import { z } from '../../src/std/schema.ts';
import { parseWith, parseYaml } from '../../src/std/yaml.ts';
import { constant, model, modelBytes, node, valueInfo } from '../fixtures/onnx-models.ts';

// What fuzzing and reading for it found, each mended: these inputs must stay told and cheap.

describe('YAML', () => {
  test.each([
    ['a: &a [*a]\n', 'a list that holds itself'],
    ['a: &a { b: *a }\n', 'a map that holds itself'],
    ['a: &a [[*a, *a], *a]\n', 'a list that holds itself three times'],
    [`${'['.repeat(80)}${']'.repeat(80)}`, 'a list of 80 levels'],
  ])('%j is a problem: %s', (text) => {
    // JSON.stringify of such a value, for the message of a schema, threw a TypeError.
    const file = parseYaml(text, 'any');
    const parsed =
      file.kind === 'ok' ? parseWith(z.strictObject({ a: z.string() }), file.value) : file;
    expect(parsed).toMatchObject({
      kind: 'problems',
      problems: [{ expected: 'at most 64 levels, and an end' }],
    });
  });

  test.each([60, 64])('lists of %i levels are read', (levels) => {
    const text = '['.repeat(levels) + ']'.repeat(levels);
    expect(parseYaml(text, 'any').kind).toBe('ok');
  });

  test.each([
    ['commas', `[${','.repeat(60_000)}]`],
    ['brackets', '['.repeat(60_000)],
    ['directives', '%A b\n'.repeat(20_000)],
    ['question marks', '?\n'.repeat(30_000)],
  ])(
    'nothing but %s is at most 65 problems, and errors keep their stacks afterwards',
    (_, text) => {
      const file = parseYaml(text, 'any');
      expect(file.kind === 'problems' ? file.problems.length : 0).toBeGreaterThan(0);
      expect(file.kind === 'problems' ? file.problems.length : 99).toBeLessThanOrEqual(65);
      expect(new Error('x').stack?.split('\n').length).toBeGreaterThan(2);
    },
  );
});

describe('the reader of models', () => {
  const value = valueInfo('y', 'float32', ['N']);

  test('counts operators that are called like what every object has', async () => {
    const names = ['constructor', '__proto__', 'toString', '__proto__'];
    const nodes = names.map((name, at) => node(name, [['x'], [at === 0 ? 'y' : `y${at}`]]));
    const inputs = [valueInfo('x', 'float32', [1])];
    const { summary } = await inspectBytes(modelBytes(model({ nodes, inputs, outputs: [value] })));
    expect(Object.entries(summary?.operators ?? {})).toEqual([
      ['constructor', 1],
      ['__proto__', 2],
      ['toString', 1],
    ]);
  });

  test('splits no numbers of a size that says one and holds millions', async () => {
    const { rawData: _, ...sizes } = constant('s', 'int64', { dims: [1] });
    const shape = { ...sizes, int64Data: new Uint8Array(20_000_000) };
    const nodes = [node('ConstantOfShape', [['s'], ['y']])];
    const bytes = modelBytes(model({ nodes, initializers: [shape], outputs: [value] }));
    const before = process.memoryUsage().heapUsed;
    const { problems } = await inspectBytes(bytes);
    expect(problems.map(({ where }) => where)).toContain('s');
    // A view of each of them took two gigabytes.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(500_000_000);
  });

  test('tells of long names and shapes in a line', async () => {
    const name = 'n'.repeat(100_000);
    const long = { ...constant('w', 'float32', { dims: [] }), dims: Array(50_000).fill(7n) };
    const bytes = modelBytes(
      model({ nodes: [node(name, [[name], ['y']])], initializers: [long], outputs: [value] }),
    );
    const { problems } = await inspectBytes(bytes);
    expect(problems.length).toBeGreaterThan(1);
    expect(Math.max(...problems.map(({ message }) => message.length))).toBeLessThan(300);
    expect(Math.max(...problems.map(({ where }) => where.length))).toBeLessThan(300);
  });

  test('is given files only: a device has no end', async () => {
    for (const path of ['/dev/zero', '/dev/null']) {
      await expect(loadModel(path)).rejects.toMatchObject({ code: 'not-found' });
    }
  });
});

test('a sound over its limit is refused before its samples are made', () => {
  const bytes = encodeWav(new Float32Array(20_000), 100);
  const limits = { secondsMax: 60, truncated: 'refuse' } as const;
  expect(() => decodeWav(bytes, limits)).toThrow('it lasts 200.0 s');
});

test('long topics are not remembered by an index of filters', () => {
  const index = createFilterIndex<number>();
  index.add('#', 1);
  const [short, long] = ['a/b', `a/${'x'.repeat(60_000)}`];
  // What is remembered is the same list: 8,192 topics of 64 KiB would be half a gigabyte.
  expect(index.match(short)).toBe(index.match(short));
  expect(index.match(long)).not.toBe(index.match(long));
  expect(index.match(long)).toEqual([1]);
});
