import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openPool, type Pool } from '../../src/infer/pool.ts';
import { closeLoaded, loadFlow } from '../../src/node/flow-load.ts';
import { createPredict } from '../../src/stages/infer/predict.ts';
import { createStages } from '../../src/stages/stages.ts';
import { formatProblem } from '../../src/std/yaml.ts';
import { tinyFlow, writeFlow } from '../harness/flows.ts';
import { temporaryFolder } from '../harness/node.ts';

let pool: Pool;
let root: string;

beforeAll(async () => {
  root = await temporaryFolder();
  pool = await openPool({
    workers: 1,
    intraOpThreads: 1,
    providers: ['cpu'],
    memoryBytesMax: 2 ** 30,
  });
});

afterAll(async () => {
  await pool[Symbol.asyncDispose]();
  await rm(root, { recursive: true });
});

async function load(name: string, text: string) {
  await writeFlow(root, name, text);
  const stages = createStages({ predict: createPredict(pool) });
  return loadFlow(join(root, name), { stages, devices: undefined });
}

async function problemsOf(name: string, text: string): Promise<string[]> {
  const loaded = await load(name, text);
  return loaded.kind === 'problems' ? loaded.problems.map(formatProblem) : [];
}

test('a loaded flow holds its models until it is closed', async () => {
  const loaded = await load('tiny', tinyFlow());
  expect(loaded.kind).toBe('ok');
  expect(pool.memoryBytes).toBeGreaterThan(0);
  if (loaded.kind === 'ok') await closeLoaded(loaded.value);
  expect(pool.memoryBytes).toBe(0);
});

test.each([
  ['a second model that is not there', 'predict: { model: other.onnx }', /other\.onnx/],
  ['a later step that does not fit', 'resize: { width: 2, height: 2 }', /a picture/],
])('%s is told at its own step, and the first model is given back', async (_, step, message) => {
  const text = `source: { topic: 'in/{device}' }
steps:
  - float32: { shape: [4] }
  - predict: { model: model.onnx }
  - ${step}`;
  const [problem, ...others] = await problemsOf('second', text);
  expect(others).toEqual([]);
  expect(problem).toMatch(/second\/flow\.yaml:5: steps\.2\./);
  expect(problem).toMatch(message);
  expect(pool.memoryBytes).toBe(0);
});

test.each([
  ['a reserved name', 'bridge', /not reserved, not bridge/],
  ['a name that fits no topic', 'a+b', /letters, digits, - and _/],
])('a folder with %s is no flow', async (_, name, message) => {
  expect(await problemsOf(name, tinyFlow())).toEqual([expect.stringMatching(message)]);
});

test('problems of the source and of the steps are told at once', async () => {
  const problems = await problemsOf(
    'many',
    'source: { device: voise }\nsteps: [{ sofmax: {} }, { top-k: { k: 0 } }]',
  );
  expect(problems).toEqual([
    expect.stringMatching(/flow\.yaml:1: source\.device: found "voise", .*there are .*voice/),
    expect.stringMatching(/flow\.yaml:2: steps\.0\.sofmax: .*did you mean "softmax"/),
    expect.stringMatching(/flow\.yaml:2: steps\.1\.top-k\.k: found 0/),
  ]);
});

test('a folder without a flow.yaml says so', async () => {
  const stages = createStages({ predict: createPredict(pool) });
  const loaded = await loadFlow(join(root, 'nothing'), { stages, devices: undefined });
  expect(loaded).toMatchObject({
    kind: 'problems',
    problems: [
      { file: join(root, 'nothing', 'flow.yaml'), expected: expect.stringContaining('ENOENT') },
    ],
  });
});
