import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeWav } from '../../src/signal/wav.ts';
import { encodeMsgpack } from '../../src/std/msgpack.ts';
import { writeFlows } from '../harness/flows.ts';
import { connectTest, type TestClient } from '../harness/mqtt.ts';
import { type RunningNode, startNode } from '../harness/node.ts';
import { lyingJpeg, pngHeader, quarters } from '../image/pictures.ts';

const INTO_LABELS = [
  '  - predict: { model: model.onnx }',
  '  - softmax: {}',
  '  - top-k: { k: 1, labels: [left, right] }',
];

const flowOf = (name: string, steps: readonly string[]) =>
  [`source: { topic: '${name}/{device}' }`, 'steps:', ...steps, ...INTO_LABELS].join('\n');

const FLOWS = {
  sound: flowOf('sound', [
    '  - audio: { sampleRateHz: 16000 }',
    '  - window: { size: 4, partial: drop }',
  ]),
  picture: flowOf('picture', [
    '  - image: {}',
    '  - resize: { width: 2, height: 2, colour: grey }',
    '  - normalise: { preset: unit }',
    '  - layout: { from: hwc, to: chw }',
    '  - reshape: { shape: [4] }',
  ]),
  record: flowOf('record', [
    '  - sensor: {}',
    '  - select: { fields: [a, b, c, d] }',
    '  - stack: {}',
  ]),
  packed: flowOf('packed', ['  - msgpack: {}', '  - stack: { fields: [a, b, c, d] }']),
};

let node: RunningNode;
let flows: string;
let client: TestClient;
let good: Readonly<Record<string, Uint8Array>>;
let events = 0;

beforeAll(async () => {
  flows = await writeFlows(FLOWS);
  node = await startNode({ flows });
  expect(node.ready.flows.map(({ state }) => state)).toEqual(Array(4).fill('running'));
  client = await connectTest(node.ready.mqtt, ['ledge/test/+/+']);
  good = {
    sound: encodeWav(Float32Array.of(0, 0.5, -0.5, 0.25), 16_000),
    picture: await quarters(32, 32).jpeg().toBuffer(),
    record: json({ a: 1, b: 2, c: 3, d: 4, ts: 1_760_000_000 }),
    packed: encodeMsgpack({ a: 1, b: 2, c: 3, d: 4 }),
  };
});

afterAll(async () => {
  await client[Symbol.asyncDispose]();
  await node.stop();
  await rm(flows, { recursive: true });
});

type Flow = keyof typeof FLOWS;

/** What comes back for one event, alone on a device of its own: a result or a dead letter. */
async function answerTo(flow: Flow, payload: Uint8Array): Promise<Record<string, unknown>> {
  const device = `device-${events++}`;
  await client.client.publishAsync(`${flow}/${device}`, Buffer.from(payload), { qos: 1 });
  const { json: answer } = await client.next(({ json: body }) => body.device === device);
  return answer;
}

/** The event goes to the dead letters with this code, and the next good one has its result. */
async function expectRefused(
  flow: Flow,
  payload: Uint8Array,
  [code, message]: readonly [string, RegExp],
): Promise<void> {
  expect(await answerTo(flow, payload)).toMatchObject({
    flow,
    error: { code, message: expect.stringMatching(message) },
    payloadBytes: payload.byteLength,
  });
  expect(await answerTo(flow, good[flow] as Uint8Array)).toMatchObject({
    flow,
    result: { label: expect.stringMatching(/left|right/) },
  });
}

const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const bytes = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const cut = (whole: Uint8Array, to: number) => whole.subarray(0, to);

function wavWith(change: (view: DataView) => void): Uint8Array {
  const file = encodeWav(new Float32Array(8), 16_000);
  change(new DataView(file.buffer));
  return file;
}

describe('a sound', () => {
  const whole = encodeWav(new Float32Array(100), 16_000);
  test.each<[string, Uint8Array, string, RegExp]>([
    ['cut in its header', cut(whole, 30), 'payload-invalid', /WAV: its fmt chunk is cut/],
    ['cut before its data', cut(whole, 40), 'payload-invalid', /WAV: it has no data chunk/],
    ['cut in its data', cut(whole, 150), 'payload-invalid', /promises 94 bytes more than the 106/],
    [
      'that says it has a gigabyte',
      wavWith((view) => view.setUint32(40, 1_000_000_000, true)),
      'payload-invalid',
      /promises 999999984 bytes more/,
    ],
    [
      'of 65,535 channels',
      wavWith((view) => view.setUint16(22, 65_535, true)),
      'payload-invalid',
      /65535 channels/,
    ],
    [
      'of 4 GHz',
      wavWith((view) => view.setUint32(24, 0xffff_ffff, true)),
      'payload-invalid',
      /sample rate is 4294967295/,
    ],
    [
      'whose frames lie',
      wavWith((view) => view.setUint16(32, 1, true)),
      'payload-invalid',
      /says it has 1 bytes/,
    ],
    ['of one and a half raw samples', Buffer.alloc(3), 'payload-invalid', /3 bytes/],
  ])('%s is a dead letter', async (_, payload, code, message) => {
    await expectRefused('sound', payload, [code, message]);
  });
});

describe('a picture', () => {
  test.each<[string, () => Promise<Uint8Array> | Uint8Array, string, RegExp]>([
    ['that is none', () => json({}), 'payload-invalid', /no JPEG, PNG or WebP/],
    [
      'cut after half its pixels',
      async () => {
        const whole = await quarters(640, 640).jpeg().toBuffer();
        return cut(whole, whole.length / 2);
      },
      'payload-invalid',
      /jpeg/i,
    ],
    [
      'cut in its header',
      async () => cut(await quarters(64, 64).jpeg().toBuffer(), 20),
      'payload-invalid',
      /jpeg/i,
    ],
    [
      'whose header says 50,000 x 50,000 as PNG',
      () => pngHeader(50_000, 50_000),
      'payload-too-large',
      /50000x50000 is over the limit/,
    ],
    [
      'whose header says 50,000 x 50,000 as JPEG',
      () => lyingJpeg(50_000, 50_000),
      'payload-too-large',
      /50000x50000 is over the limit/,
    ],
    ['of no width', () => pngHeader(0, 10), 'payload-invalid', /0x10/],
    [
      'whose header says more than its data has',
      () => lyingJpeg(3000, 3000),
      'payload-invalid',
      /jpeg/i,
    ],
  ])('%s is a dead letter', async (_, payload, code, message) => {
    await expectRefused('picture', await payload(), [code, message]);
  });
});

describe('a record', () => {
  test.each<[string, Uint8Array, string, RegExp]>([
    ['with NaN', Buffer.from('{"a":NaN}'), 'payload-invalid', /JSON/],
    ['with null', json({ a: null }), 'value-invalid', /a is null, expected a finite number/],
    ['with 1e999', Buffer.from('{"a":1e999}'), 'value-invalid', /a is Infinity/],
    [
      'without one of its fields',
      json({ a: 1, b: 2, d: 4 }),
      'value-invalid',
      /field c is missing, it has a, b, d/,
    ],
    ['with a text', json({ a: 'high' }), 'value-invalid', /a is a string/],
    ['with a time that is none', json({ a: 1, ts: 'soon' }), 'value-invalid', /ts is "soon"/],
    ['with a name of the prototype', Buffer.from('{"__proto__":1}'), 'payload-invalid', /name/],
    ['cut short', Buffer.from('{"a": 1, "b'), 'payload-invalid', /JSON/],
    ['of no bytes', Buffer.alloc(0), 'payload-invalid', /it is empty/],
    ['that is not UTF-8', bytes('7b 22 ff 22 3a 31 7d'), 'payload-invalid', /UTF-8/],
    ['nested 30,000 deep', nested('{"a":', '1', '}', 9_000), 'value-invalid', /a is an object/],
    ['nested as lists', nested('[', '', ']', 30_000), 'payload-invalid', /SenML/],
    [
      'with a time nested deep',
      deepTime(30_000),
      'value-invalid',
      /ts is a list, expected seconds/,
    ],
    ['nested 100,000 deep', nested('[', '', ']', 100_000), 'payload-too-large', /200000 bytes/],
    ['of 100,000 fields', json(manyFields(100_000)), 'payload-too-large', /bytes/],
    ['of 1,000 fields', json(manyFields(1000)), 'payload-invalid', /more than 256 fields/],
  ])('%s is a dead letter', async (_, payload, code, message) => {
    await expectRefused('record', payload, [code, message]);
  });

  function nested(open: string, core: string, close: string, depth: number): Buffer {
    return Buffer.from(open.repeat(depth) + core + close.repeat(depth));
  }

  function deepTime(depth: number): Buffer {
    return Buffer.from(`{"a":1,"b":2,"c":3,"d":4,"ts":${'['.repeat(depth)}${']'.repeat(depth)}}`);
  }

  function manyFields(count: number): object {
    return Object.fromEntries(Array.from({ length: count }, (_, index) => [`f${index}`, index]));
  }
});

describe('msgpack', () => {
  test.each<[string, Uint8Array, string, RegExp]>([
    ['of a list of 2^32 - 1 values', bytes('dd ffffffff'), 'payload-invalid', /map|list|array/],
    [
      'of a map of 2^32 - 1 values',
      bytes('df ffffffff'),
      'payload-invalid',
      /says 4294967295 entries/,
    ],
    [
      'with a list that lies',
      bytes('81 a161 dd ffffffff'),
      'payload-invalid',
      /a has the type 0xdd/,
    ],
    ['with a text of 4 GB', bytes('81 a161 db ffffffff'), 'payload-invalid', /.+/],
    [
      'nested 30,000 deep',
      Buffer.concat([bytes('81 a161'), Buffer.alloc(30_000, 0x91), bytes('c0')]),
      'payload-invalid',
      /a has the type 0x91/,
    ],
    [
      'nested as maps',
      Buffer.concat([Buffer.from('81a161'.repeat(9_000), 'hex'), bytes('01')]),
      'payload-invalid',
      /a has the type 0x81/,
    ],
    ['with NaN', bytes('81 a161 cb 7ff8000000000000'), 'value-invalid', /a is NaN/],
    ['cut short', bytes('84 a161'), 'payload-invalid', /.+/],
    ['with an extension', bytes('81 a161 d4 01 00'), 'payload-invalid', /a has the type 0xd4/],
  ])('%s is a dead letter', async (_, payload, code, message) => {
    await expectRefused('packed', payload, [code, message]);
  });
});

test('a payload over the broker limit ends its own connection only', async () => {
  const large = await connectTest(node.ready.mqtt);
  const closed = new Promise<void>((resolve) => large.client.once('close', () => resolve()));
  large.client.publish('record/large', Buffer.alloc(17 * 1024 * 1024), { qos: 0 });
  await closed;
  await large[Symbol.asyncDispose]();
  expect(await answerTo('record', good.record as Uint8Array)).toMatchObject({ flow: 'record' });
});

test.each(['answers/#', 'answers/+/x', '$SYS/x', 'a\u0000b', ''])(
  'a response topic of %j costs nobody else a result',
  async (responseTopic) => {
    const asking = await connectTest(node.ready.mqtt);
    const device = `device-${events++}`;
    const properties = { responseTopic };
    const payload = Buffer.from(good.record as Uint8Array);
    const sent = asking.client.publishAsync(`record/${device}`, payload, { qos: 1, properties });
    // The broker may end the connection of who breaks the protocol.
    await Promise.race([
      sent.catch(() => undefined),
      new Promise<void>((resolve) => asking.client.once('close', () => resolve())),
    ]);
    await asking[Symbol.asyncDispose]();
    expect(await answerTo('record', good.record as Uint8Array)).toMatchObject({ flow: 'record' });
  },
);

test('every dead letter was counted, and no worker was lost', async () => {
  const health = (await (await fetch(`${node.ready.http}/health`)).json()) as {
    flows: Record<string, { deadLettered: number; results: number; received: number }>;
  };
  for (const { deadLettered, results, received } of Object.values(health.flows)) {
    expect(deadLettered).toBeGreaterThan(0);
    expect(deadLettered + results).toBe(received);
  }
  expect(node.log.filter(({ level }) => level === 'error')).toEqual([]);
});
