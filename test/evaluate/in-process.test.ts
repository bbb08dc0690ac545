import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NODE_NAME, startNodeProcess } from '../../scripts/evaluate/node-process.ts';
import { sendAll } from '../../scripts/evaluate/send-all.ts';
import { openClient } from '../../src/bus/client.ts';
import { openFlowEvaluator } from '../../src/cli/flow-evaluator.ts';
import { compareEvaluations } from '../../src/evaluate/accuracy.ts';
import { type OpenDataset, openDataset } from '../../src/evaluate/open-dataset.ts';
import { isRight, scoreAll } from '../../src/evaluate/score.ts';
import { loadModel } from '../../src/models/store.ts';
import { configSchema } from '../../src/node/config.ts';
import { packagePath } from '../../src/std/package.ts';
import { labelledSamples } from '../harness/labelled-samples.ts';
import { temporaryFolder } from '../harness/node.ts';
import { writeRuined } from '../harness/ruined-model.ts';

const FLOW = 'keyword-spotting';
const config = configSchema.parse({});
const signal = new AbortController().signal;

let flows = '';
let folder = '';
let data = '';
let dataset: OpenDataset;

beforeAll(async () => {
  flows = await temporaryFolder();
  folder = join(flows, FLOW);
  await cp(packagePath('flows', FLOW), folder, { recursive: true });
  // However busy the machine is, no event is to expire.
  const text = await readFile(join(folder, 'flow.yaml'), 'utf8');
  await writeFile(join(folder, 'flow.yaml'), text.replace(/deadlineMs: \d+/, 'deadlineMs: 600000'));
  data = await labelledSamples(['yes.wav', 'no.wav', 'up.wav', 'go.wav', 'silence.wav'], 2);
  dataset = await openDataset(data);
});
afterAll(async () => {
  await dataset[Symbol.asyncDispose]();
  await rm(data, { recursive: true });
  await rm(flows, { recursive: true });
});

/** What npm run evaluate tells of the same events: through a node of its own, over MQTT. */
async function overMqtt() {
  await using node = await startNodeProcess(flows);
  const found = node.flows.find(({ name }) => name === FLOW);
  await using bus = await openClient({ url: node.mqtt });
  const topics = { node: NODE_NAME, flow: FLOW, in: found?.in ?? '', out: found?.out ?? '' };
  const { events } = await sendAll(bus, topics, { ...dataset, onProgress: () => undefined });
  const metrics = await scoreAll(dataset.form, events);
  return { metrics, right: events.map((one) => isRight(dataset.form, one)) };
}

test('evaluation in process equals that over MQTT on a real node', async () => {
  await using evaluator = await openFlowEvaluator(folder, { config, signal });
  const { file } = await loadModel(folder);
  const [inside] = await evaluator.on(dataset)(file);
  const { metrics, right } = await overMqtt();
  // There the way over MQTT is timed as well.
  const { latencyMsP50: _, latencyMsP95: __, ...figures } = metrics;
  expect(inside).toMatchObject({ source: 'data', metric: 'accuracy', metrics: figures, right });
  expect(right).toHaveLength(10);
});

test('a ruined model in the place of the flow’s own is worse by as much as is told', async () => {
  await using evaluator = await openFlowEvaluator(folder, { config, signal });
  const evaluate = evaluator.on(dataset);
  const { file } = await loadModel(folder);
  const ruined = join(data, 'ruined.onnx');
  await writeRuined(file, ruined);
  const [before, testsBefore] = await evaluate(file);
  const [after, testsAfter] = await evaluate(ruined);
  const accuracy = compareEvaluations(before!, after!);
  expect(accuracy).toMatchObject({ source: 'data', count: 10, gained: 0 });
  expect(accuracy.lost).toBeGreaterThan(0);
  expect(accuracy.changePp).toBeCloseTo((-100 * accuracy.lost) / 10, 1);
  const { low = 1, high = 0 } = accuracy.after;
  expect(low).toBeLessThanOrEqual(accuracy.after.value);
  expect(high).toBeGreaterThanOrEqual(accuracy.after.value);
  expect(testsBefore?.value).toBe(1);
  expect(testsAfter?.value).toBeLessThan(1);
});

test('data that no event of can be read is refused, not scored', async () => {
  await using evaluator = await openFlowEvaluator(packagePath('flows', 'surface-inspection'), {
    config,
    signal,
  });
  const { file } = await loadModel(packagePath('flows', 'surface-inspection'));
  await expect(evaluator.on(dataset)(file)).rejects.toMatchObject({ code: 'payload-invalid' });
});
