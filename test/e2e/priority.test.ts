import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loopModel } from '../fixtures/infer-models.ts';
import { modelBytes } from '../fixtures/onnx-models.ts';
import { writeFlows } from '../harness/flows.ts';
import { connectTest } from '../harness/mqtt.ts';
import { type RunningNode, startNode } from '../harness/node.ts';

/** Events that wait for the one worker: enough that those under way are a small part. */
const QUEUED = 120;
/** Products of 256 x 256 matrices in one event: some milliseconds on any machine. */
const PRODUCTS = 8;

/** A flow whose events take their time, whatever they say. */
function slowFlow(name: string, priority: string): string {
  return [
    `priority: ${priority}`,
    `source: { topic: '${name}/{device}', inFlightMax: 1024 }`,
    'steps:',
    '  - text: {}',
    `  - predict: { model: model.onnx, inputs: { count: ${PRODUCTS} } }`,
    '  - encode: {}',
  ].join('\n');
}

const RESULTS = ['high', 'normal', 'low', 'other'].map((flow) => `ledge/test/${flow}/+`);

let node: RunningNode;
let flows: string;

beforeAll(async () => {
  const names = ['high', 'normal', 'low', 'other'];
  flows = await writeFlows(
    Object.fromEntries(
      names.map((name) => [name, slowFlow(name, name === 'other' ? 'low' : name)]),
    ),
  );
  for (const name of names) {
    await writeFile(join(flows, name, 'model.onnx'), modelBytes(loopModel()));
  }
  node = await startNode({ flows, args: ['--set', 'inference.workers=1'] });
  expect(node.ready.flows.map(({ state }) => state)).toEqual(names.map(() => 'running'));
  await learnPace();
});

/** The run at load is one of no products at all: the pace is learned from the first events. */
async function learnPace(): Promise<void> {
  await using client = await connectTest(node.ready.mqtt, RESULTS);
  const events = 16;
  for (const flow of ['low', 'high', 'other']) {
    for (let index = 0; index < events; index += 1) {
      await client.client.publishAsync(`${flow}/device-${index}`, 'frame', { qos: 1 });
    }
  }
  await client.count(3 * events);
}

afterAll(async () => {
  await node.stop();
  await rm(flows, { recursive: true });
});

/**
 * How many of the low events have their results before the one event of another flow, which is
 * published when the low ones are at work.
 */
async function lowResultsBefore(flow: string): Promise<number> {
  await using client = await connectTest(node.ready.mqtt, RESULTS);
  const sent: Promise<unknown>[] = [];
  for (let index = 0; index < QUEUED; index += 1) {
    sent.push(client.client.publishAsync(`low/device-${index}`, 'frame', { qos: 1 }));
  }
  await client.next(({ topic }) => topic.startsWith('ledge/test/low/'));
  sent.push(client.client.publishAsync(`${flow}/voice`, 'command', { qos: 1 }));
  await Promise.all(sent);
  await client.count(QUEUED + 1);
  const order = client.received.map(({ json }) => json.flow);
  expect(order.filter((name) => name === 'low')).toHaveLength(QUEUED);
  return order.indexOf(flow);
}

test('an event of high priority overtakes a queue of low ones', async () => {
  expect(await lowResultsBefore('high')).toBeLessThan(QUEUED / 2);
});

test('an event of the same priority does not', async () => {
  expect(await lowResultsBefore('other')).toBe(QUEUED);
});

test('an event of low priority ends while higher ones never stop coming', async () => {
  const inFlight = 24;
  await using client = await connectTest(node.ready.mqtt, RESULTS);
  let lowEnded = false;
  let overtaken = 0;
  let published = 0;
  const publish = (flow: string) =>
    client.client.publish(`${flow}/device-${published++}`, 'event', { qos: 1 });
  client.client.on('message', (topic) => {
    if (topic.startsWith('ledge/test/low/')) lowEnded = true;
    if (lowEnded) return;
    overtaken += 1;
    publish('high');
  });
  for (let index = 0; index < inFlight; index += 1) publish('high');
  publish('low');
  await client.next(({ topic }) => topic.startsWith('ledge/test/low/'));
  expect(overtaken).toBeGreaterThan(inFlight);
  await client.count(published);
});
