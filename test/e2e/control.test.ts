import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fourNumbers, tinyFlow, writeFlow, writeFlows } from '../harness/flows.ts';
import { connectTest, type TestClient } from '../harness/mqtt.ts';
import { type RunningNode, startNode } from '../harness/node.ts';

const BRIDGE = 'ledge/test/bridge';
let node: RunningNode;
let flows: string;
let client: TestClient;
let transactions = 0;

beforeAll(async () => {
  flows = await writeFlows({
    tiny: tinyFlow(),
    broken: 'source: {}\nsteps: [{ sofmax: {} }]',
    twin: tinyFlow({ topic: 'twin/{device}', more: "sink: { topic: 'ledge/test/tiny/{device}' }" }),
    there: [
      "source: { topic: 'ledge/test/back/{device}' }",
      'steps: [{ text: {} }, { encode: { field: seen } }]',
    ].join('\n'),
    back: [
      "source: { topic: 'ledge/test/there/{device}' }",
      'steps: [{ text: {} }, { encode: { field: seen } }]',
    ].join('\n'),
    loop: [
      "source: { topic: 'ledge/test/loop/{device}' }",
      'steps: [{ text: {} }, { encode: { field: seen } }]',
    ].join('\n'),
  });
  node = await startNode({ flows, args: ['--set', 'health.intervalSeconds=0.2'] });
  client = await connectTest(node.ready.mqtt, [`${BRIDGE}/#`, 'ledge/test/+/+']);
});

afterAll(async () => {
  await client[Symbol.asyncDispose]();
  await node.stop();
  await rm(flows, { recursive: true });
});

async function ask(request: string, payload: object): Promise<Record<string, unknown>> {
  const transaction = `t${transactions++}`;
  const body = JSON.stringify({ ...payload, transaction });
  await client.client.publishAsync(`${BRIDGE}/request/${request}`, body, { qos: 1 });
  const reply = await client.next(
    ({ topic, payload: bytes }) =>
      topic === `${BRIDGE}/response/${request}` && bytes.includes(`"${transaction}"`),
  );
  return reply.json;
}

async function resultOf(topic: string, device: string): Promise<Record<string, unknown>> {
  const before = client.received.length;
  await client.client.publishAsync(`${topic}/${device}`, fourNumbers(1, 2, 3, 4), { qos: 1 });
  const found = await client.next(
    (message) => client.received.indexOf(message) >= before && message.topic.endsWith(`/${device}`),
  );
  return found.json;
}

test('state, info, health, flows and devices are retained', async () => {
  await using late = await connectTest(node.ready.mqtt, [`${BRIDGE}/#`]);
  for (const [topic, expected] of Object.entries({
    state: { state: 'online' },
    info: { node: 'test', broker: { kind: 'embedded' } },
    health: { flows: { tiny: {} }, memory: { rssBytes: expect.any(Number) } },
    flows: { flows: expect.any(Array) },
    devices: { count: expect.any(Number) },
  })) {
    const message = await late.next(({ topic: at }) => at === `${BRIDGE}/${topic}`);
    expect(message.packet.retain, topic).toBe(true);
    expect(message.json, topic).toMatchObject(expected);
  }
});

test('bad flows are listed with what is wrong, and the good one runs', async () => {
  const { data } = await ask('flows', {});
  const list = (data as { flows: { name: string; state: string; problems: string[] }[] }).flows;
  const state = Object.fromEntries(list.map(({ name, state: is }) => [name, is]));
  expect(state).toEqual({
    back: 'running',
    broken: 'failed',
    loop: 'failed',
    there: 'failed',
    tiny: 'running',
    twin: 'failed',
  });
  const problems = Object.fromEntries(list.map(({ name, problems: told }) => [name, told.join()]));
  expect(problems.broken).toMatch(/flow\.yaml:2: steps\.0\.sofmax: .*did you mean "softmax"/);
  expect(problems.broken).toMatch(/flow\.yaml:1: source\.topic: expected a topic pattern/);
  expect(problems.twin).toMatch(/sink\.topic.*flow "tiny" does not publish on/);
  expect(problems.there).toMatch(/fed by the flow \(there -> back\)/);
  expect(problems.loop).toMatch(/source\.topic.*not the flow's own result topic/);
  expect(await resultOf('in', 'while-others-failed')).toMatchObject({ flow: 'tiny' });
});

test('a flow is disabled and enabled by request', async () => {
  expect(await ask('flow/disable', { name: 'tiny' })).toMatchObject({ status: 'ok' });
  await client.client.publishAsync('in/while-off', fourNumbers(1, 2, 3, 4), { qos: 1 });
  expect(await ask('flow/enable', { name: 'tiny' })).toMatchObject({ status: 'ok' });
  expect(await resultOf('in', 'on-again')).toMatchObject({ flow: 'tiny' });
  expect(client.received.some(({ topic }) => topic.endsWith('/while-off'))).toBe(false);
});

test.each([
  ['flow/enable', { name: 'tyni' }, /no flow "tyni"; did you mean "tiny"/],
  ['flow/enable', { name: 'broken' }, /cannot start/],
  ['flow/enable', { name: 7 }, /name/],
  ['nothing', {}, /no request "nothing"/],
])('request %s with %o is answered with an error', async (request, payload, message) => {
  expect(await ask(request, payload)).toMatchObject({
    status: 'error',
    error: expect.stringMatching(message),
  });
});

test('a request that is no JSON is answered, not ignored', async () => {
  await client.client.publishAsync(`${BRIDGE}/request/health`, '{"a": ', { qos: 1 });
  const reply = await client.next(
    ({ topic, json }) => topic === `${BRIDGE}/response/health` && json.status === 'error',
  );
  expect(reply.json.error).toMatch(/no JSON/);
});

test('a changed file is taken over without losing an event, an invalid one is refused', async () => {
  const file = join(flows, 'tiny', 'flow.yaml');
  const text = await readFile(file, 'utf8');
  const stop = new AbortController();
  let sent = 0;
  const publishing = (async () => {
    while (!stop.signal.aborted) {
      const device = `reload-${sent++}`;
      await client.client.publishAsync(`in/${device}`, fourNumbers(1, 2, 3, 4), { qos: 1 });
    }
  })();
  await writeFile(file, text.replace('[left, right]', '[links, rechts]'));
  await client.next(
    ({ topic, json }) => topic === `${BRIDGE}/event` && json.type === 'flow-reloaded',
  );
  await writeFile(file, text.replace('top-k', 'top-q'));
  await client.next(
    ({ topic, json }) =>
      topic === `${BRIDGE}/event` && json.type === 'flow-refused' && json.name === 'tiny',
  );
  stop.abort();
  await publishing;
  const results = await client.count(sent, ({ topic }) =>
    topic.startsWith('ledge/test/tiny/reload-'),
  );
  expect(results.length).toBe(sent);
  const labels = new Set(results.map(({ json }) => (json.result as { label: string }).label));
  expect([...labels].some((label) => ['links', 'rechts'].includes(label))).toBe(true);
  const after = await resultOf('in', 'after-the-bad-file');
  expect((after.result as { label: string }).label).toMatch(/links|rechts/);
  expect(await ask('flow/reload', { name: 'tiny' })).toMatchObject({
    status: 'error',
    error: expect.stringMatching(/flow\.yaml:6: .*top-q/),
  });
  await writeFile(file, text);
  expect(await ask('flow/reload', { name: 'tiny' })).toMatchObject({ status: 'ok' });
});

test('a new folder is loaded and a removed one stopped', async () => {
  await writeFlow(flows, 'fresh', tinyFlow({ topic: 'fresh/{device}' }));
  await client.next(({ topic, json }) => topic === `${BRIDGE}/event` && json.name === 'fresh');
  expect(await resultOf('fresh', 'one')).toMatchObject({ flow: 'fresh' });
  await rm(join(flows, 'fresh'), { recursive: true });
  await client.next(
    ({ topic, json }) =>
      topic === `${BRIDGE}/event` && json.name === 'fresh' && json.type === 'flow-stopped',
  );
});

test('a stop says offline and ends with code 0', async () => {
  await using other = await startNode({ flows });
  await using watcher = await connectTest(other.ready.mqtt, [`${BRIDGE}/state`]);
  const stopped = other.stop();
  await watcher.next(({ json }) => json.state === 'offline');
  expect(await stopped).toBe(0);
});
