import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { caseEvents, caseFailed, runCase } from '../../src/flow/case.ts';
import { compileFlow } from '../../src/flow/compile.ts';
import { createPlan, type Plan } from '../../src/flow/plan.ts';
import { type FlowCase, flowSchema } from '../../src/flow/schema.ts';
import { createMemoryState } from '../../src/flow/state.ts';
import { createPredict } from '../../src/stages/infer/predict.ts';
import { createStages } from '../../src/stages/stages.ts';
import { LedgeError } from '../../src/std/error.ts';
import { parseWith, parseYaml } from '../../src/std/yaml.ts';
import { temporaryFolder } from '../harness/node.ts';

let folder: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  await mkdir(join(folder, 'samples'));
  const write = (name: string, content: string | Uint8Array) =>
    writeFile(join(folder, 'samples', name), content);
  await write('left.bin', new Uint8Array(new Float32Array([2, 1]).buffer));
  await write('right.bin', new Uint8Array(new Float32Array([1, 2]).buffer));
  await write('bad.bin', 'xyz');
  await write('series.jsonl', '{"a": 1}\n\n{"a": 2}\n{"a": 3}\n');
});

afterAll(() => rm(folder, { recursive: true }));

/** A plan without a model, from the steps of a flow file. */
async function planOf(steps: string): Promise<Plan> {
  const open = () => Promise.reject(new LedgeError('not-found', 'there are no models here'));
  const stages = createStages({ predict: createPredict({ open }) });
  const yaml = parseYaml(`source: { topic: 'in/{device}' }\nsteps:\n${steps}`, 'flow.yaml');
  if (yaml.kind === 'problems') throw new Error(yaml.problems[0]?.expected);
  const file = parseWith(flowSchema, yaml.value);
  if (file.kind === 'problems') throw new Error(file.problems[0]?.expected);
  const options = { name: 'test', folder, stages, inFlightMax: 1, decode: [] };
  const compiled = await compileFlow(file.value, yaml.value, options);
  if (compiled.kind === 'problems') throw new Error(compiled.problems[0]?.expected);
  return createPlan(compiled.value, createMemoryState());
}

const CLASSES = `
  - float32: { shape: [2] }
  - softmax: {}
  - top-k: { k: 2, labels: [left, right] }
`;

const caseOf = (event: string | string[], expected: object[], more: Partial<FlowCase> = {}) =>
  ({
    name: 'a case',
    device: 'd',
    last: false,
    event: [event].flat().map((file) => `samples/${file}`),
    expect: expected as FlowCase['expect'],
    ...more,
  }) satisfies FlowCase;

describe('a test of a flow', () => {
  test.each<[string, FlowCase]>([
    ['a subset of the fields', caseOf('left.bin', [{ label: 'left' }])],
    ['a range', caseOf('left.bin', [{ score: [0.7, 0.8] }])],
    ['a list in order', caseOf('left.bin', [{ top: [{ label: 'left' }, { label: 'right' }] }])],
    ['several events', caseOf(['left.bin', 'right.bin'], [{ label: 'left' }, { label: 'right' }])],
    [
      'the last of several',
      caseOf(['left.bin', 'left.bin', 'right.bin'], [{ label: 'right' }], { last: true }),
    ],
  ])('passes with %s', async (_, one) => {
    expect(await runCase(await planOf(CLASSES), one, folder)).toEqual({
      name: 'a case',
      passed: true,
      differences: [],
    });
  });

  test.each<[string, FlowCase, (string | RegExp)[]]>([
    [
      'another value',
      caseOf('left.bin', [{ label: 'right' }]),
      ['results.0.label: expected "right", got "left"'],
    ],
    [
      'a number outside its range',
      caseOf('left.bin', [{ score: [0.1, 0.2] }]),
      [/^results\.0\.score: expected 0\.1\.\.0\.2, got 0\.7/],
    ],
    [
      'a field that is not there',
      caseOf('left.bin', [{ anomaly: true }]),
      ['results.0.anomaly: expected true, got nothing'],
    ],
    [
      'a list where there is none',
      caseOf('left.bin', [{ label: ['left'] }]),
      ['results.0.label: expected ["left"], got "left"'],
    ],
    [
      'an object where there is none',
      caseOf('left.bin', [{ label: { is: 'left' } }]),
      ['results.0.label: expected {"is":"left"}, got "left"'],
    ],
    ['fewer results', caseOf('left.bin', [{}, {}]), [/^results: expected 2, got 1/, /^results\.1/]],
    ['more results', caseOf(['left.bin', 'left.bin'], [{}]), [/^results: expected 1, got 2/]],
    ['results where none are due', caseOf('left.bin', []), [/^results: expected 0, got 1/]],
    ['an event that fails', caseOf('bad.bin', []), [/^event failed: payload-invalid: .*3 bytes/]],
    [
      'a bad event before a good one, which still runs',
      caseOf(['bad.bin', 'left.bin'], [{ label: 'left' }]),
      [/^event failed: payload-invalid/],
    ],
  ])('fails with %s', async (_, one, expected) => {
    const report = await runCase(await planOf(CLASSES), one, folder);
    expect(report.passed).toBe(false);
    expect(report.differences).toEqual(
      expected.map((line) => (typeof line === 'string' ? line : expect.stringMatching(line))),
    );
  });

  test('says which events were dropped', async () => {
    const plan = await planOf(`${CLASSES}  - rate-limit: { perSecond: 0.01 }\n`);
    const report = await runCase(plan, caseOf(['left.bin', 'left.bin'], [{}]), folder);
    expect(report.differences).toEqual(['event dropped: rate-limited']);
  });

  test('takes -0 for 0, as it is on the wire', async () => {
    await writeFile(join(folder, 'samples', 'zero.json'), '{"a": -0}');
    const plan = await planOf('  - json: {}\n  - stack: { fields: [a] }\n  - encode: {}');
    const report = await runCase(plan, caseOf('zero.json', [{ value: { a: 0 } }]), folder);
    expect(report.differences).toEqual([]);
  });

  test('whose event is not there fails with its path', async () => {
    const one = caseOf('none.bin', []);
    const report = await runCase(await planOf(CLASSES), one, folder).catch((error) =>
      caseFailed(one, error),
    );
    expect(report).toMatchObject({ name: 'a case', passed: false });
    expect(report.differences[0]).toMatch(/ENOENT.*none\.bin/);
  });
});

test('the lines of a .jsonl are events, a second apart, of one device', async () => {
  const events: unknown[] = [];
  for await (const event of caseEvents(caseOf(['series.jsonl', 'left.bin'], []), folder)) {
    const { device, ts, payload } = event;
    events.push({ device, ts, bytes: payload.byteLength });
  }
  expect(events).toEqual([
    { device: 'd', ts: 0, bytes: 8 },
    { device: 'd', ts: 1000, bytes: 8 },
    { device: 'd', ts: 2000, bytes: 8 },
    { device: 'd', ts: 3000, bytes: 8 },
  ]);
});
