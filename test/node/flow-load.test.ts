import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openPool, type Pool } from '../../src/infer/pool.ts';
import { closeLoaded, loadFlow } from '../../src/node/flow-load.ts';
import { createPredict } from '../../src/stages/infer/predict.ts';
import { createStages } from '../../src/stages/stages.ts';
import { formatProblem } from '../../src/std/yaml.ts';
import { quickModel, slowModel, writeLadder } from '../fixtures/ladder.ts';
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

const STAIRS = [
  { name: 'best', precision: 'fp32', model: slowModel(1) },
  { name: 'quick', precision: 'int8', model: quickModel() },
];

const ladderFlow = (words: string) =>
  tinyFlow().replace('model.onnx', `model.yaml${words === '' ? '' : `, ${words}`}`);

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
  [
    'rung: third',
    /flow\.yaml:4: steps\.1\.predict\.rung: found "third", expected one of best, quick/,
  ],
  ['ladder: sometimes', /flow\.yaml:4: steps\.1\.predict\.ladder: found "sometimes", expected /],
  [
    'ladder: { fillShareMax: 2 }',
    /flow\.yaml:4: .*predict\.ladder\.fillShareMax: found 2, expected/,
  ],
  [
    'ladder: { downAfter: 2 }',
    /flow\.yaml:4: .*predict\.ladder\.downAfter: expected no such field/,
  ],
])('a step that says %s is told what is wrong with it', async (words, problem) => {
  await writeLadder(join(root, 'stairs'), STAIRS);
  expect(await problemsOf('stairs', ladderFlow(words))).toEqual([expect.stringMatching(problem)]);
});

test('a rung of a model without a ladder is told', async () => {
  const text = tinyFlow().replace('model.onnx', 'model.onnx, rung: int8');
  const [problem] = await problemsOf('tiny', text);
  expect(problem).toMatch(/predict\.rung: found "int8", expected a model with a ladder/);
});

test.each([
  ['', { stepping: 'auto', at: 0, limits: {} }],
  ['ladder: fixed', { stepping: 'fixed', at: 0, limits: {} }],
  ['rung: quick', { stepping: 'fixed', at: 1, limits: {} }],
  ['rung: quick, ladder: auto', { stepping: 'auto', at: 1, limits: {} }],
  ['ladder: { upAfterSeconds: 9 }', { stepping: 'auto', at: 0, limits: { upAfterSeconds: 9 } }],
])('a step with "%s" steps as it says', async (words, { stepping, at, limits }) => {
  await writeLadder(join(root, 'stairs'), STAIRS);
  const loaded = await load('stairs', ladderFlow(words));
  if (loaded.kind === 'problems') throw new Error(loaded.problems.map(formatProblem).join());
  const ladder = loaded.value.parts.steps[1]?.compiled.ladder;
  expect(ladder).toMatchObject({ stepping, limits, rungs: { at, best: at } });
  await closeLoaded(loaded.value);
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
