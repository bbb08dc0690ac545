import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Terminal } from '../../src/cli/command.ts';
import { model } from '../../src/cli/commands/model.ts';
import { ladderFiles, quickModel, slowModel } from '../fixtures/ladder.ts';
import { castModel, matmulModel, modelBytes } from '../fixtures/onnx-models.ts';

const folder = mkdtempSync(join(tmpdir(), 'ledge-model-'));
afterAll(() => rmSync(folder, { recursive: true }));

const good = join(folder, 'good.onnx');
const bad = join(folder, 'bad.onnx');
writeFileSync(good, modelBytes(matmulModel({ inputs: 3, outputs: 2 })));
writeFileSync(bad, modelBytes(castModel('int4')));

async function run(positionals: readonly string[], json = true) {
  let out = '';
  let err = '';
  const terminal: Terminal = {
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    signal: new AbortController().signal,
  };
  const code = await model.run({ positionals, values: { json } }, terminal);
  return { code, out, err };
}

describe('ledge model inspect', () => {
  test('tells what an admitted model is', async () => {
    const { code, out } = await run(['inspect', good]);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      file: good,
      admitted: true,
      problems: [],
      inputs: [{ name: 'x', type: 'float32', shape: ['N', 3] }],
      outputs: [{ name: 'y', type: 'float32', shape: ['N', 2] }],
      opset: 17,
      operators: { MatMul: 1 },
      parameters: 6,
      precision: 'fp32',
      size: modelBytes(matmulModel({ inputs: 3, outputs: 2 })).length,
    });
  });

  test('gives exit code 1 and the reasons for a model that would be refused', async () => {
    const { code, out } = await run(['inspect', bad]);
    expect(code).toBe(1);
    const message = 'the output has the type int4, which cannot be passed';
    expect(JSON.parse(out)).toMatchObject({
      admitted: false,
      problems: [{ where: 'y', message }],
    });
  });

  test('gives exit code 1 for a file that is no model', async () => {
    const path = join(folder, 'noise.onnx');
    writeFileSync(path, 'not a model');
    const { code, out } = await run(['inspect', path]);
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({ admitted: false, problems: [{ where: 'file' }] });
  });

  test('prints a report for people', async () => {
    const { code, out } = await run(['inspect', good], false);
    expect(code).toBe(0);
    expect(out).toMatch(/input +x float32 \[N, 3\]\n/);
    expect(out).toMatch(/admitted +yes\n/);
  });

  test('of a file that is not there fails with not-found', async () => {
    await expect(run(['inspect', join(folder, 'no.onnx')])).rejects.toMatchObject({
      code: 'not-found',
    });
  });
});

describe('ledge model of a ladder', () => {
  const place = join(folder, 'ladders', 'stairs');
  const path = join(place, 'model.yaml');
  mkdirSync(place, { recursive: true });
  const rungs = [
    { name: 'best', precision: 'fp32', model: slowModel(1) },
    { name: 'quick', precision: 'int8', model: quickModel() },
  ];
  for (const [name, content] of Object.entries(ladderFiles(rungs))) {
    writeFileSync(join(place, name), content);
  }

  test('list names its rungs', async () => {
    const { out } = await run(['list', join(folder, 'ladders')]);
    expect(JSON.parse(out).models).toMatchObject([{ name: 'stairs', rungs: ['best', 'quick'] }]);
    expect((await run(['list', join(folder, 'ladders')], false)).out).toMatch(/best,quick/);
  });

  test('inspect tells of every rung', async () => {
    const { code, out } = await run(['inspect', path]);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      ...{ path, name: 'stairs', version: '1' },
      rungs: [
        { rung: 'best', file: join(place, 'model.best.onnx'), precision: 'fp32' },
        { rung: 'quick', precision: 'int8', parameters: 8, operators: { MatMul: 1 } },
      ],
    });
    const { out: text } = await run(['inspect', path], false);
    expect(text).toMatch(/^stairs 1\nrung best: .*model\.best\.onnx\n/);
    expect(text).toMatch(/rung quick: .*model\.quick\.onnx\n {2}input/);
  });
});

test.each([[[]], [['inspect']], [['show', good]], [['inspect', good, bad]]])(
  'ledge model %j is wrong usage',
  async (words) => {
    const { code, out, err } = await run(words);
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(err).toMatch(/^Usage: ledge model list/);
  },
);

describe('ledge model list', () => {
  const tensors = 'inputs: [{ name: x, type: float32, shape: [N, 3] }]\n';
  const manifest = `name: tiny\nversion: 1.2.0\nsha256: ${'a'.repeat(64)}\nprecision: fp32\n${tensors}outputs: [{ name: y, type: float32, shape: [N, 2] }]\nlabels: [a, b]\n`;
  const root = join(folder, 'models');
  mkdirSync(join(root, 'tiny'), { recursive: true });
  writeFileSync(join(root, 'tiny', 'model.yaml'), manifest);

  test('names every model with its version, precision and labels', async () => {
    const { code, out } = await run(['list', root]);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual({
      models: [
        {
          path: join(root, 'tiny', 'model.yaml'),
          name: 'tiny',
          version: '1.2.0',
          precision: 'fp32',
          labels: 2,
          licence: '',
        },
      ],
    });
  });

  test('tells of a manifest that cannot be read, with exit code 1', async () => {
    const broken = join(folder, 'broken', 'one');
    mkdirSync(broken, { recursive: true });
    writeFileSync(join(broken, 'model.yaml'), 'name: 3\n');
    const { code, out } = await run(['list', join(folder, 'broken')]);
    expect(code).toBe(1);
    expect(JSON.parse(out).models[0].problem).toMatch(/sha256/);
  });

  test('prints a table, or that there are none', async () => {
    expect((await run(['list', root], false)).out).toMatch(/tiny +1\.2\.0 +fp32 +2/);
    const empty = join(folder, 'empty');
    mkdirSync(empty);
    expect((await run(['list', empty], false)).out).toBe(`There are no models under ${empty}\n`);
  });
});
