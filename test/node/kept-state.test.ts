import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeFlows } from '../harness/flows.ts';
import { connectTest, type TestClient } from '../harness/mqtt.ts';
import { type RunningNode, startNode, temporaryFolder } from '../harness/node.ts';

const LEARN = 12;

const FLOW = `
source: { topic: 'in/{device}' }
steps:
  - json: {}
  - baseline: { learn: ${LEARN}, window: 2 }
  - anomaly-score: {}
`;

let flows: string;
let data: string;

beforeAll(async () => {
  flows = await writeFlows({ watch: FLOW });
  data = await temporaryFolder();
});

afterAll(async () => {
  await rm(flows, { recursive: true });
  await rm(data, { recursive: true });
});

/** A node on the kept data folder with a client that hears its flow. */
async function open(): Promise<{ node: RunningNode; client: TestClient }> {
  const node = await startNode({ flows, data });
  const filters = ['ledge/test/watch/+', 'ledge/test/bridge/response/#'];
  return { node, client: await connectTest(node.ready.mqtt, filters) };
}

function send(client: TestClient, device: string, index: number): Promise<unknown> {
  const record = { a: Math.sin(index), b: Math.cos(index * 3), ts: 1_760_000_000 + index };
  return client.client.publishAsync(`in/${device}`, JSON.stringify(record), { qos: 1 });
}

async function learn(client: TestClient, device: string): Promise<void> {
  for (let index = 0; index < LEARN; index += 1) await send(client, device, index);
}

/** The health of the flow, once it has worked on so many events. */
async function heldAfter(node: RunningNode, received: number): Promise<number> {
  for (;;) {
    const health = await (await fetch(`${node.ready.http}/health`)).json();
    const { watch } = (health as { flows: Record<string, Record<string, number>> }).flows;
    if (watch === undefined) throw new Error('the flow does not run');
    if (Number(watch.held) + Number(watch.results) >= received) return Number(watch.held);
  }
}

async function ask(client: TestClient, request: string, body: object): Promise<unknown> {
  await client.client.publishAsync(`ledge/test/bridge/request/${request}`, JSON.stringify(body));
  const reply = await client.next(({ topic }) => topic.endsWith(`/response/${request}`));
  return reply.json;
}

test('what devices learned outlives a stop and a start', async () => {
  const first = await open();
  await learn(first.client, 'pump-1');
  await learn(first.client, 'pump-2');
  expect(await heldAfter(first.node, 2 * LEARN)).toBe(2 * LEARN);
  await first.client[Symbol.asyncDispose]();
  expect(await first.node.stop()).toBe(0);
  expect((await readdir(join(data, 'state', 'watch'))).sort()).toEqual([
    'pump-1.json',
    'pump-2.json',
  ]);
  const second = await open();
  await send(second.client, 'pump-1', LEARN);
  const { json } = await second.client.next(({ topic }) => topic.endsWith('/pump-1'));
  expect(json.result).toMatchObject({ anomaly: expect.any(Boolean), score: expect.any(Number) });
  await second.client[Symbol.asyncDispose]();
  expect(await second.node.stop()).toBe(0);
});

test('a damaged file is set aside, and the other device goes on as learned', async () => {
  const file = join(data, 'state', 'watch', 'pump-1.json');
  const text = await readFile(file, 'utf8');
  await writeFile(file, text.slice(0, text.length / 2));
  const { node, client } = await open();
  expect(node.log).toContainEqual(
    expect.objectContaining({ level: 'warn', message: 'Set a damaged state aside', flow: 'watch' }),
  );
  expect(await readdir(join(data, 'state', 'watch'))).toContain('pump-1.json.damaged');
  await send(client, 'pump-1', LEARN + 1);
  expect(await heldAfter(node, 1)).toBe(1);
  await send(client, 'pump-2', LEARN + 1);
  await client.next(({ topic }) => topic.endsWith('/pump-2'));
  await client[Symbol.asyncDispose]();
  await node.stop();
});

test('a state that no longer fits its step starts afresh, aloud', async () => {
  const file = join(data, 'state', 'watch', 'pump-2.json');
  await writeFile(file, '{"1-baseline": {"no": "baseline"}}');
  const { node, client } = await open();
  await send(client, 'pump-2', LEARN + 2);
  expect(await heldAfter(node, 1)).toBe(1);
  expect(node.log).toContainEqual(
    expect.objectContaining({
      level: 'warn',
      message: 'Kept state does not fit any more',
      device: 'pump-2',
    }),
  );
  await client[Symbol.asyncDispose]();
  await node.stop();
});

test('a request makes one device, or all, learn again', async () => {
  const { node, client } = await open();
  await learn(client, 'pump-3');
  await learn(client, 'pump-4');
  expect(await heldAfter(node, 2 * LEARN)).toBe(2 * LEARN);
  const request = { name: 'watch', device: 'pump-3' };
  expect(await ask(client, 'flow/relearn', request)).toMatchObject({
    status: 'ok',
    data: { name: 'watch', forgotten: 1 },
  });
  await send(client, 'pump-3', LEARN);
  expect(await heldAfter(node, 2 * LEARN + 1)).toBe(2 * LEARN + 1);
  await send(client, 'pump-4', LEARN);
  await client.next(({ topic }) => topic.endsWith('/pump-4'));
  await client[Symbol.asyncDispose]();
  await node.stop();
});

test('a disabled flow forgets as well, and nothing of it is left on the disk', async () => {
  const { node, client } = await open();
  expect(await ask(client, 'flow/disable', { name: 'watch' })).toMatchObject({ status: 'ok' });
  const reply = await ask(client, 'flow/relearn', { name: 'watch' });
  expect(reply).toMatchObject({ status: 'ok', data: { forgotten: expect.any(Number) } });
  expect((await readdir(join(data, 'state', 'watch'))).filter((f) => f.endsWith('.json'))).toEqual(
    [],
  );
  await client[Symbol.asyncDispose]();
  await node.stop();
});
