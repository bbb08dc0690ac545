import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type EmbeddedBus, openBroker } from '../../../src/bus/broker.ts';
import { createDeviceNames } from '../../../src/integrations/wyoming/device-names.ts';
import { PAYLOAD_BYTES_MAX } from '../../../src/integrations/wyoming/frame.ts';
import { openWyoming, type WyomingServer } from '../../../src/integrations/wyoming/server.ts';
import { wyomingSchema } from '../../../src/node/config-wyoming.ts';
import { createHandClock, type HandClock } from '../../harness/hand-clock.ts';
import { createInbox } from '../../harness/inbox.ts';
import { connectWyoming, PLAIN, sendSound } from './client.ts';

let bus: EmbeddedBus;
let clock: HandClock;
let server: WyomingServer;
let running: readonly string[];
let log: { level: string; message: string }[];

async function open(config: object = {}, idleSeconds = 300): Promise<void> {
  const parsed = wyomingSchema.parse({ port: 0, ...config });
  const line = (level: string) => (message: string) => void log.push({ level, message });
  server = await openWyoming(
    { ...parsed, limits: { ...parsed.limits, idleSeconds } },
    {
      ...{ bus, clock, base: 'ledge/test', version: '1.0.0' },
      log: { debug: line('debug'), info: line('info'), warn: line('warn') },
      flowOf: (name) => (running.includes(name) ? { labels: ['on', '_unknown_'] } : undefined),
    },
  );
}

beforeEach(async () => {
  clock = createHandClock();
  running = ['voice-command', 'wake-word'];
  log = [];
  bus = await openBroker({ port: 0 });
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await bus[Symbol.asyncDispose]();
});

/** Lets time pass until a fact holds. */
async function passTime(until: () => boolean): Promise<void> {
  while (!until()) {
    clock.advance(1000);
    await setImmediate();
  }
}

describe('clients', () => {
  test('over the limit are told so, and served once another has gone', async () => {
    await open({ limits: { connectionsMax: 2 } });
    const first = await connectWyoming(server.port);
    await using second = await connectWyoming(server.port);
    second.send('ping');
    await second.next('pong');
    await using third = await connectWyoming(server.port);
    expect((await third.next('error')).data).toMatchObject({
      code: 'overflow',
      text: expect.stringContaining('more than 2'),
    });
    await third.closed;
    await first[Symbol.asyncDispose]();
    await passTime(() => server.connections === 1);
    await using fourth = await connectWyoming(server.port);
    fourth.send('ping');
    await fourth.next('pong');
  });

  test('that say nothing are let go', async () => {
    await open({}, 0.05);
    await using client = await connectWyoming(server.port);
    await client.closed;
    expect(client.events).toEqual([]);
  });

  test.each([
    ['a header line', '{"type":'],
    ['a payload', `{"type":"audio-chunk","payload_length":${PAYLOAD_BYTES_MAX}}\nabc`],
  ])('that never end %s are let go, however often they send a byte', async (_, bytes) => {
    await open();
    await using client = await connectWyoming(server.port);
    client.raw(bytes);
    let gone = false;
    void client.closed.then(() => {
      gone = true;
    });
    while (!gone) {
      client.raw('a');
      clock.advance(100);
      await setImmediate();
    }
    expect(server.connections).toBe(0);
  });

  test('that ask and never read hold nobody up, and are let go', async () => {
    await open();
    await using client = await connectWyoming(server.port);
    client.socket.pause();
    const question = Buffer.from('{"type":"describe"}\n'.repeat(20_000));
    client.raw(question);
    await using other = await connectWyoming(server.port);
    other.send('ping');
    await other.next('pong');
    await passTime(() => server.connections === 1);
    client.socket.resume();
    await client.closed;
    // 20,000 answers would be more than the system's own buffers take.
    expect(client.events.length).toBeLessThan(20_000);
  });

  test('are let go when the server closes', async () => {
    await open();
    await using client = await connectWyoming(server.port);
    client.send('ping');
    await client.next('pong');
    client.raw('{"type":');
    await server[Symbol.asyncDispose]();
    await client.closed;
    await expect(connectWyoming(server.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});

describe('a command', () => {
  const outcome = async (topic: string, body: object, correlation?: Uint8Array) =>
    bus.publish({
      topic: `ledge/test/voice-command/${topic}`,
      payload: Buffer.from(JSON.stringify(body)),
      ...{ qos: 1, retain: false },
      ...(correlation && { properties: { correlationData: correlation } }),
    });

  /** Sends a clip and gives the device and the correlation that the flow would get. */
  async function asked(client: Awaited<ReturnType<typeof connectWyoming>>) {
    const inbox = createInbox();
    await bus.subscribe('ledge/in/command/+', { qos: 1 }, inbox.handler);
    client.send('transcribe');
    sendSound(client, new Uint8Array(32_000));
    const [message] = await inbox.count(1);
    const wav = Buffer.from(message?.payload ?? []);
    expect(wav.subarray(0, 4).toString()).toBe('RIFF');
    expect(wav.readUInt32LE(24)).toBe(16_000);
    expect(wav).toHaveLength(44 + 32_000);
    const device = message?.topic.split('/').at(-1) ?? '';
    return { device, correlation: message?.properties?.correlationData };
  }

  test.each([
    ['a failure', 'dead-letter', { error: { code: 'x', message: 'Broken' } }, 'inference-failed'],
    ['a drop', 'dropped', { reason: 'overflow' }, 'unavailable'],
  ])('whose flow tells of %s ends with an error and no text', async (_, topic, body, code) => {
    await open();
    await using client = await connectWyoming(server.port);
    const { device, correlation } = await asked(client);
    const correlationData = Buffer.from(correlation ?? []).toString('base64');
    const events = [{ device, correlationData }];
    await outcome(topic, { ...body, device, events }, correlation);
    expect((await client.next('error')).data.code).toBe(code);
    expect((await client.next('transcript')).data.text).toBe('');
  });

  test('that its flow filters out has no text', async () => {
    await open();
    await using client = await connectWyoming(server.port);
    const { device } = await asked(client);
    await outcome('dropped', { reason: 'filtered', events: [{ device }] });
    expect((await client.next('transcript')).data.text).toBe('');
    expect(client.events).toHaveLength(1);
  });

  test('takes no answer that belongs to another', async () => {
    await open();
    await using client = await connectWyoming(server.port);
    const { device, correlation } = await asked(client);
    const result = (label: string, score: number) => ({ device, result: [{ label, score }] });
    await outcome(device, result('off', 1), Buffer.from('somebody else'));
    await outcome(device, { nonsense: true }, correlation);
    await outcome(device, result('turn_on', 0.9), correlation);
    expect((await client.next('transcript')).data.text).toBe('turn on');
  });

  test.each([
    [{ label: 'on', score: 0.49 }, ''],
    [{ label: 'on', score: 0.5 }, 'on'],
    [{ label: '_unknown_', score: 1 }, ''],
  ])('heard as %j is "%s"', async (best, text) => {
    await open();
    await using client = await connectWyoming(server.port);
    const { device, correlation } = await asked(client);
    await outcome(device, { device, result: best }, correlation);
    expect((await client.next('transcript')).data.text).toBe(text);
  });

  test('that no flow answers ends in time', async () => {
    await open();
    await using client = await connectWyoming(server.port);
    await asked(client);
    let told = false;
    const error = client.next('error').finally(() => {
      told = true;
    });
    await passTime(() => told);
    expect((await error).data.code).toBe('timeout');
    expect((await client.next('transcript')).data.text).toBe('');
  });

  test('is refused where its flow does not run, and describe offers none', async () => {
    running = [];
    await open();
    await using client = await connectWyoming(server.port);
    client.send('describe');
    expect((await client.next('info')).data).toMatchObject({ asr: [], wake: [], intent: [] });
    client.send('transcribe');
    sendSound(client, new Uint8Array(32_000));
    expect((await client.next('error')).data).toMatchObject({
      code: 'unavailable',
      text: expect.stringContaining('"voice-command"'),
    });
    expect((await client.next('transcript')).data.text).toBe('');
    expect(client.events).toHaveLength(3);
  });
});

test('frames of known kinds with any data never end the server or a neighbour', async () => {
  await open();
  await using neighbour = await connectWyoming(server.port);
  const kinds = ['detect', 'transcribe', 'transcript', 'audio-start', 'audio-chunk', 'audio-stop'];
  const number = fc.oneof(fc.integer({ min: -1, max: 9 }), fc.constantFrom(8000, 16_000, 44_100));
  const data = fc.record(
    { rate: number, width: number, channels: number, names: fc.jsonValue(), text: fc.jsonValue() },
    { requiredKeys: [] },
  );
  const frame = fc.record({
    type: fc.constantFrom(...kinds, 'describe', 'synthesize'),
    data,
    payload: fc.uint8Array({ maxLength: 2000 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(frame, { maxLength: 20 }), async (frames) => {
      await using client = await connectWyoming(server.port);
      for (const { type, data: some, payload } of frames) client.send(type, some, payload);
      client.send('ping', { text: 'end' });
      let ended = false;
      const pong = client.next('pong').finally(() => {
        ended = true;
      });
      await passTime(() => ended);
      expect((await pong).data.text).toBe('end');
      neighbour.send('ping', { text: 'here' });
      expect((await neighbour.next('pong')).data.text).toBe('here');
    }),
    { numRuns: 50 },
  );
  expect(log.filter(({ level }) => level === 'debug')).toEqual([]);
});

test('small chunks of a stream are put together, and large ones cut', async () => {
  await open();
  await using client = await connectWyoming(server.port);
  const inbox = createInbox();
  await bus.subscribe('ledge/in/voice/+', { qos: 0 }, inbox.handler);
  const sound = Uint8Array.from({ length: 100_000 }, (_, at) => at % 251);
  client.send('audio-start', PLAIN);
  for (let at = 0; at < 1000; at += 10) {
    client.send('audio-chunk', PLAIN, sound.subarray(at, at + 10));
  }
  client.send('audio-chunk', PLAIN, sound.subarray(1000));
  client.send('audio-stop');
  client.send('ping');
  await client.next('pong');
  const sizes = inbox.messages.map(({ payload }) => payload.length);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(32_000);
  expect(sizes.length).toBeLessThan(10);
  const heard = Buffer.concat(inbox.messages.map(({ payload }) => payload));
  expect(heard.subarray(0, sound.length).equals(sound)).toBe(true);
  // And two seconds of silence, so that nothing of it is left for the next stream.
  expect(heard.subarray(sound.length).equals(new Uint8Array(64_000))).toBe(true);
});

test('a server that others can reach says that it has no credentials', async () => {
  await open({ host: '0.0.0.0', zeroconf: 'off' });
  expect(log).toContainEqual({ level: 'warn', message: expect.stringContaining('no credentials') });
});

test('a port in use is named, and its code says so', async () => {
  await open();
  const { port } = server;
  await expect(open({ port })).rejects.toMatchObject({
    code: 'address-in-use',
    message: expect.stringContaining(`${port}`),
  });
});

test('a reset connection is the client alone', async () => {
  await open();
  const client = await connectWyoming(server.port);
  client.send('detect');
  client.send('audio-start', PLAIN);
  client.socket.resetAndDestroy();
  await once(client.socket, 'close');
  await passTime(() => server.connections === 0);
  await using other = await connectWyoming(server.port);
  other.send('ping');
  await other.next('pong');
});

test('sound that its client left behind is followed by silence', async () => {
  await open();
  const client = await connectWyoming(server.port);
  const inbox = createInbox();
  await bus.subscribe('ledge/in/voice/+', { qos: 0 }, inbox.handler);
  client.send('detect');
  client.send('audio-start', PLAIN);
  client.send('audio-chunk', PLAIN, new Uint8Array(3200).fill(1));
  await inbox.count(1);
  await client[Symbol.asyncDispose]();
  const [first, ...tail] = await inbox.count(3);
  expect(first?.payload).toHaveLength(3200);
  expect(tail.map(({ topic }) => topic)).toEqual([first?.topic, first?.topic]);
  expect(tail.every(({ payload }) => payload.every((byte) => byte === 0))).toBe(true);
});

test('device names rest before they are used again, and never grow beyond the limit', () => {
  let now = 0;
  const names = createDeviceNames(3, () => now);
  expect([names.take(), names.take()]).toEqual(['wyoming-1', 'wyoming-2']);
  names.give('wyoming-1');
  expect(names.take()).toBe('wyoming-3');
  names.give('wyoming-2');
  expect(names.take()).toBe('wyoming-1');
  now = 60_000;
  expect(names.take()).toBe('wyoming-2');
});
