import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createEvent } from '../../../src/flow/case.ts';
import { createPlan } from '../../../src/flow/plan.ts';
import { createMemoryState } from '../../../src/flow/state.ts';
import { loadFlow } from '../../../src/node/flow-load.ts';
import { createPredict } from '../../../src/stages/infer/predict.ts';
import { createStages } from '../../../src/stages/stages.ts';
import { modelBytes, runningSumModel } from '../../fixtures/onnx-models.ts';
import { testPool } from '../../infer/test-pool.ts';

/** 5 MiB of float32: large enough to be handed to a worker instead of copied. */
const COUNT = (5 * 1024 * 1024) / 4;

async function openPlan(steps: readonly string[]) {
  const root = await mkdtemp(join(tmpdir(), 'ledge-buffers-'));
  onTestFinished(() => rm(root, { recursive: true }));
  const folder = join(root, 'large');
  await mkdir(folder);
  await writeFile(join(folder, 'sum.onnx'), modelBytes(runningSumModel(COUNT)));
  const lines = [
    "source: { topic: 'in/{device}' }",
    'steps:',
    ...steps.map((step) => `  - ${step}`),
  ];
  await writeFile(join(folder, 'flow.yaml'), lines.join('\n'));
  const stages = createStages({ predict: createPredict(await testPool()) });
  const loaded = await loadFlow(folder, { stages, devices: undefined });
  if (loaded.kind !== 'ok') throw new Error(JSON.stringify(loaded.problems));
  return createPlan(loaded.value.parts, createMemoryState());
}

/** All elements are `element`, in a buffer that the tensor may own. */
function eventOf(element: number) {
  const payload = new Uint8Array(new Float32Array(COUNT).fill(element).buffer);
  return createEvent({ device: 'd', topic: 'in/d', payload, ts: 0 });
}

const DECODE = `float32: { shape: [${COUNT}] }`;
const ADD_TWICE = 'predict: { model: sum.onnx, inputs: { x: x, state: x }, outputs: y }';
const SUM = 'predict: { model: sum.onnx, state: { stateOut: state }, outputs: [y, stateOut] }';
const FIRST = `pick: { index: [${COUNT - 1}] }`;

test.each([
  {
    title: 'a stored tensor is given to two inputs and to two models',
    steps: [`{ ${DECODE}, as: x }`, ADD_TWICE, `{ ${ADD_TWICE}, as: y }`],
    end: [`{ reshape: { shape: [1, ${COUNT}] }, from: x }`, 'combine: { operation: add, with: y }'],
    first: 9, // y = 3 + 3, and x once more
    second: 15,
  },
  {
    title: 'a stored tensor goes to a model by another shape',
    steps: [`{ ${DECODE}, as: x }`, `reshape: { shape: [1, ${COUNT}] }`],
    end: [
      'predict: { model: sum.onnx, inputs: { state: x }, outputs: y }',
      'combine: { operation: add, with: x }',
    ],
    first: 9,
    second: 15,
  },
  {
    title: 'a state goes round and on to another model',
    steps: [DECODE, SUM, 'pick: { name: stateOut }'],
    end: ['predict: { model: sum.onnx, state: { stateOut: state }, outputs: y }'],
    first: 3,
    second: 3 + (3 + 5), // a running sum of the running sums 3 and 3 + 5
  },
])('buffers of 5 MiB stay whole where $title', async ({ steps, end, first, second }) => {
  const pickLast = ['reshape: { shape: [-1] }', FIRST, 'encode: {}'];
  const plan = await openPlan([...steps, ...end, ...pickLast]);
  onTestFinished(() => plan.close());
  for (const [element, expected] of [
    [3, first],
    [5, second],
  ] as const) {
    const event = eventOf(element);
    const { end: ended, results } = await plan.process(event);
    expect(ended).toEqual({ kind: 'done' });
    expect(results[0]?.result).toEqual({ value: expected });
    expect(event.payload.byteLength).toBe(COUNT * 4); // the dead letter may need it
  }
});
