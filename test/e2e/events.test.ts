import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { unpack } from 'msgpackr';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fourNumbers, tinyFlow, writeFlows } from '../harness/flows.ts';
import { connectTest } from '../harness/mqtt.ts';
import { type RunningNode, startNode } from '../harness/node.ts';
import { findTool } from '../harness/tools.ts';

let node: RunningNode;
let flows: string;

beforeAll(async () => {
  flows = await writeFlows({
    tiny: tinyFlow(),
    packed: tinyFlow({
      topic: 'packed/{device}',
      more: 'sink: { encoding: msgpack, retain: true }',
    }),
    kept: tinyFlow({ topic: 'kept/{device}', more: 'sink: { retain: true }' }),
    chained: [
      "source: { topic: 'ledge/test/tiny/{device}' }",
      'steps: [{ text: {} }, { encode: { field: seen } }]',
    ].join('\n'),
    small: tinyFlow({ topic: 'small/{device}', source: 'payloadBytesMax: 16' }),
    hurried: tinyFlow({ topic: 'hurried/{device}', source: 'deadlineMs: 0.0001' }),
  });
  node = await startNode({ flows });
});

afterAll(async () => {
  await node.stop();
  await rm(flows, { recursive: true });
});

describe.each([5, 4] as const)('an event over TCP, MQTT protocol level %i', (protocolVersion) => {
  test('comes back as a result with timing, model and source', async () => {
    await using client = await connectTest(node.ready.mqtt, ['ledge/test/tiny/+'], {
      protocolVersion,
    });
    const before = Date.now();
    await client.client.publishAsync('in/line-1', fourNumbers(1, 2, 3, 4), { qos: 1 });
    const { json, topic } = await client.next(() => true);
    expect(topic).toBe('ledge/test/tiny/line-1');
    expect(json).toMatchObject({
      flow: 'tiny',
      device: 'line-1',
      result: { label: expect.stringMatching(/left|right/), top: [{}, {}] },
      model: { name: expect.any(String), version: expect.any(String), precision: 'fp32' },
      source: { topic: 'in/line-1' },
    });
    expect(json.ts).toBeGreaterThanOrEqual(before);
    const timing = json.timing as Record<string, number>;
    const { totalMs, ...parts } = timing;
    expect(Object.keys(parts)).toEqual([
      'queueMs',
      'decodeMs',
      'preprocessMs',
      'inferMs',
      'postprocessMs',
    ]);
    const sum = Object.values(parts).reduce((a, b) => a + b, 0);
    expect(totalMs).toBeGreaterThanOrEqual(sum - 0.01);
  });
});

describe('MQTT 5', () => {
  test('correlation data and response topic are honoured', async () => {
    await using client = await connectTest(node.ready.mqtt, ['answers/me', 'ledge/test/tiny/+']);
    const correlationData = Buffer.from([1, 2, 255]);
    await client.client.publishAsync('in/a', fourNumbers(1, 0, 0, 0), {
      properties: { correlationData, responseTopic: 'answers/me' },
    });
    const [one, two] = await client.count(2);
    expect(new Set([one?.topic, two?.topic])).toEqual(new Set(['answers/me', 'ledge/test/tiny/a']));
    expect(one?.payload.equals(two?.payload ?? Buffer.alloc(0))).toBe(true);
    expect(one?.packet.properties).toMatchObject({
      correlationData,
      contentType: 'application/json',
    });
  });

  test('msgpack results carry their content type and are retained', async () => {
    await using first = await connectTest(node.ready.mqtt, ['ledge/test/packed/+']);
    await first.client.publishAsync('packed/a', fourNumbers(1, 2, 3, 4));
    const { payload, packet } = await first.next(() => true);
    expect(unpack(payload)).toMatchObject({ flow: 'packed', device: 'a' });
    expect(packet.properties?.contentType).toBe('application/msgpack');
    await using later = await connectTest(node.ready.mqtt, ['ledge/test/packed/+']);
    expect((await later.next(() => true)).packet.retain).toBe(true);
  });
});

test('the results of one flow are the events of another', async () => {
  await using client = await connectTest(node.ready.mqtt, ['ledge/test/chained/+']);
  await client.client.publishAsync('in/b', fourNumbers(4, 3, 2, 1));
  const { json } = await client.next(() => true);
  const seen = (json.result as { seen: string }).seen;
  expect(JSON.parse(seen)).toMatchObject({ flow: 'tiny', device: 'b' });
});

test('results over WebSocket are the same as over TCP', async () => {
  const url = `${node.ready.http.replace('http', 'ws')}/mqtt`;
  await using client = await connectTest(url, ['ledge/test/tiny/ws']);
  await client.client.publishAsync('in/ws', fourNumbers(1, 2, 3, 4));
  expect((await client.next(() => true)).json).toMatchObject({ device: 'ws' });
});

test('results keep the order of each device under load', async () => {
  await using client = await connectTest(node.ready.mqtt, ['ledge/test/tiny/+']);
  const devices = ['d1', 'd2', 'd3'];
  for (let index = 0; index < 300; index += 1) {
    const device = devices[index % 3];
    client.client.publish(`in/${device}`, fourNumbers(index, 1, 0, 0), {
      qos: 1,
      properties: { correlationData: Buffer.from(String(index)) },
    });
  }
  const got = await client.count(300);
  for (const device of devices) {
    const order = got
      .filter(({ topic }) => topic.endsWith(`/${device}`))
      .map(({ packet }) => Number(packet.properties?.correlationData));
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(order).toHaveLength(100);
  }
});

test.each([
  ['too few bytes', 'in/x', Buffer.alloc(3), 'payload-invalid'],
  ['a number that is not finite', 'in/x', fourNumbers(1, Number.NaN, 0, 0), 'value-invalid'],
  ['more bytes than the flow takes', 'small/x', Buffer.alloc(17), 'payload-too-large'],
  ['the device name of a report topic', 'in/dropped', fourNumbers(1, 2, 3, 4), 'value-invalid'],
])(
  'an event with %s goes to the dead letters, and the flow goes on',
  async (_, topic, payload, code) => {
    const flow = topic.startsWith('in/') ? 'tiny' : 'small';
    await using client = await connectTest(node.ready.mqtt, [
      `ledge/test/${flow}/dead-letter`,
      `ledge/test/${flow}/after`,
    ]);
    await client.client.publishAsync(topic, payload, { qos: 1 });
    const { json } = await client.next(({ topic: at }) => at.endsWith('/dead-letter'));
    expect(json).toMatchObject({
      flow,
      error: { code, message: expect.any(String) },
      source: { topic },
      payload: payload.toString('base64'),
      payloadBytes: payload.byteLength,
    });
    await client.client.publishAsync(
      `${flow === 'tiny' ? 'in' : 'small'}/after`,
      fourNumbers(1, 2, 3, 4),
    );
    await client.next(({ topic: at }) => at.endsWith('/after'));
  },
);

test('an event past its deadline is dropped aloud', async () => {
  await using client = await connectTest(node.ready.mqtt, ['ledge/test/hurried/#']);
  await client.client.publishAsync('hurried/a', fourNumbers(1, 2, 3, 4), { qos: 1 });
  const { json, topic } = await client.next(() => true);
  expect(topic).toBe('ledge/test/hurried/dropped');
  expect(json).toMatchObject({ reason: 'expired', count: 1, events: [{ device: 'a' }] });
});

const publisher = findTool('mosquitto_pub');
const subscriber = findTool('mosquitto_sub');

test.skipIf(publisher === undefined || subscriber === undefined)(
  'mosquitto_pub and mosquitto_sub work unchanged (skipped without mosquitto-clients)',
  async () => {
    const port = new URL(node.ready.mqtt).port;
    const publish = spawn(publisher as string, ['-p', port, '-t', 'kept/shell', '-s', '-q', '1']);
    publish.stdin.end(fourNumbers(1, 2, 3, 4));
    const [code] = await once(publish, 'exit');
    expect(code).toBe(0);
    const args = ['-p', port, '-t', 'ledge/test/kept/shell', '-C', '1'];
    const { stdout: text } = await promisify(execFile)(subscriber as string, args);
    expect(text).toContain('"device":"shell"');
  },
);

test('health, flows and info answer over HTTP', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '-e',
    `fetch('${node.ready.http}/health').then((r) => r.json()).then((j) => console.log(JSON.stringify(j)))`,
  ]);
  const health = JSON.parse(stdout) as {
    flows: Record<string, { received: number; results: number }>;
  };
  expect(health.flows.tiny?.received).toBeGreaterThanOrEqual(300);
  const page = await fetch(`${node.ready.http}/nothing`);
  expect(page.status).toBe(404);
});
