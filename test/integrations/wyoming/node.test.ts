import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectTest } from '../../harness/mqtt.ts';
import { type RunningNode, startNode } from '../../harness/node.ts';
import { connectWyoming, PLAIN, sendSound, type WyomingClient } from './client.ts';
import { spoken, toneInSilence, writeVoiceFlows } from './voice-flows.ts';

/** Home Assistant gives up after a second; a node with nothing to do answers far sooner. */
const DESCRIBE_MS_MAX = 1000;
const CLIENTS = 50;

let node: RunningNode;
let flows: string;
let port: number;

beforeAll(async () => {
  flows = await writeVoiceFlows();
  const intents = {
    on: { intent: 'HassTurnOn', slots: { area: 'kitchen' } },
    stop: { publish: { topic: 'test/stop', payload: 'all' }, response: 'Stopped' },
  };
  const args = ['--set', 'wyoming.port=0'];
  node = await startNode({
    flows,
    args: [...args, '--set', `wyoming.intents=${JSON.stringify(intents)}`],
  });
  port = wyomingPort(node);
});

afterAll(async () => {
  await node.stop();
  await rm(flows, { recursive: true });
});

function wyomingPort({ log }: RunningNode): number {
  const line = log.find(({ message }) => message === 'Wyoming listens');
  return line?.port as number;
}

describe('describe', () => {
  test('is answered with the flows that run, before Home Assistant gives up', async () => {
    await using client = await connectWyoming(port);
    const start = performance.now();
    client.send('describe');
    const { data } = await client.next('info');
    expect(performance.now() - start).toBeLessThan(DESCRIBE_MS_MAX);
    const artifact = {
      name: expect.any(String),
      attribution: { name: expect.any(String), url: expect.any(String) },
      installed: true,
      description: expect.any(String),
      version: expect.stringMatching(/^\d/),
    };
    const program = (...models: object[]) => [{ ...artifact, models }];
    const model = { ...artifact, languages: ['en'] };
    const closed = expect.stringMatching(/^Closed vocabulary.*stop/);
    expect(data).toMatchObject({
      asr: program({ ...model, name: 'voice-command', description: closed }),
      wake: program({ ...model, name: 'computer', phrase: 'computer' }),
      intent: program(model),
      handle: program(model),
      tts: [],
      mic: [],
      snd: [],
    });
    expect(JSON.stringify(data)).not.toContain('_unknown_');
  });

  test('is answered in order with pings on the same connection', async () => {
    await using client = await connectWyoming(port);
    client.send('ping', { text: 'one' });
    client.send('describe');
    client.send('ping', {});
    await client.next('info');
    await client.next('pong');
    await client.next('pong');
    expect(client.events.map(({ type }) => type)).toEqual(['pong', 'info', 'pong']);
    expect(client.events[0]?.data).toEqual({ text: 'one' });
  });
});

async function transcribe(client: WyomingClient, word: string): Promise<unknown> {
  client.send('transcribe', { language: 'en' });
  sendSound(client, await spoken(word));
  return (await client.next('transcript')).data.text;
}

describe('a spoken command', () => {
  test.each(['on', 'off', 'stop', 'yes'])('"%s" comes back as text', async (word) => {
    await using client = await connectWyoming(port);
    expect(await transcribe(client, word)).toBe(word);
    expect(client.events).toHaveLength(1);
  });

  test.each(['seven', 'silence'])('that is none (%s) comes back as no text', async (word) => {
    await using client = await connectWyoming(port);
    expect(await transcribe(client, word)).toBe('');
  });

  test('in 48 kHz stereo of 32 bits is understood', async () => {
    await using client = await connectWyoming(port);
    const mono = Buffer.from(await spoken('left'));
    const frames = mono.length / 2;
    const sound = Buffer.alloc(frames * 3 * 8);
    for (let at = 0; at < frames * 3; at++) {
      const sample = mono.readInt16LE(2 * Math.floor(at / 3)) * 65_536;
      sound.writeInt32LE(sample, at * 8);
      sound.writeInt32LE(sample, at * 8 + 4);
    }
    client.send('transcribe');
    sendSound(client, sound, { rate: 48_000, width: 4, channels: 2 });
    expect((await client.next('transcript')).data).toEqual({ text: 'left', language: 'en' });
  });

  test('after a command is understood on the same connection', async () => {
    await using client = await connectWyoming(port);
    expect(await transcribe(client, 'up')).toBe('up');
    expect(await transcribe(client, 'down')).toBe('down');
  });

  test('of a client that ended its half is answered all the same', async () => {
    await using client = await connectWyoming(port);
    client.send('transcribe');
    sendSound(client, await spoken('go'));
    client.socket.end();
    expect((await client.next('transcript')).data.text).toBe('go');
    await client.closed;
  });

  test('without sound is no text', async () => {
    await using client = await connectWyoming(port);
    client.send('transcribe');
    client.send('audio-stop');
    expect((await client.next('transcript')).data.text).toBe('');
  });

  test('that is too long is told, and ends with no text', async () => {
    await using client = await connectWyoming(port);
    client.send('transcribe');
    sendSound(client, new Uint8Array(31 * 32_000));
    expect((await client.next('error')).data.code).toBe('payload-too-large');
    expect((await client.next('transcript')).data.text).toBe('');
    expect(client.events).toHaveLength(2);
  });
});

describe('a wake word', () => {
  test('is detected while the sound goes on, and whether somebody speaks', async () => {
    await using client = await connectWyoming(port);
    client.send('detect', { names: ['computer'] });
    const sound = toneInSilence(1.5);
    client.send('audio-start', { ...PLAIN, timestamp: 1000 });
    for (let at = 0; at < sound.length; at += 640) {
      client.send('audio-chunk', PLAIN, sound.subarray(at, at + 640));
    }
    const { data } = await client.next('detection');
    expect(data.name).toBe('computer');
    expect(data.timestamp).toBeGreaterThan(1000 + 500);
    expect(data.timestamp).toBeLessThanOrEqual(1000 + 1500);
    await client.next('voice-started');
    expect((await client.next('voice-stopped')).data.timestamp).toEqual(expect.any(Number));
  });

  test('leaves nothing behind for the next stream on the same connection', async () => {
    await using client = await connectWyoming(port);
    client.send('detect', {});
    sendSound(client, toneInSilence(0.9).subarray(0, 2 * 9600));
    await client.next('detection');
    await client.next('voice-stopped');
    sendSound(client, new Uint8Array(3200));
    await client.next('not-detected');
    expect(client.events.map(({ type }) => type)).not.toContain('error');
  });

  test('is no matter for sound that nobody aimed: only speech is told', async () => {
    await using client = await connectWyoming(port);
    sendSound(client, toneInSilence(0.9));
    await client.next('voice-stopped');
    expect(client.events.map(({ type }) => type)).toEqual(['voice-started', 'voice-stopped']);
  });

  test('that nobody said is not detected', async () => {
    await using client = await connectWyoming(port);
    client.send('detect', {});
    sendSound(client, new Uint8Array(32_000));
    await client.next('not-detected');
    expect(client.events.map(({ type }) => type)).not.toContain('detection');
  });

  test('that was not asked for is not told', async () => {
    await using client = await connectWyoming(port);
    client.send('detect', { names: ['another'] });
    sendSound(client, toneInSilence(0.9));
    await client.next('not-detected');
    expect(client.events.map(({ type }) => type)).not.toContain('detection');
  });
});

describe('a sentence', () => {
  async function meaning(text: string) {
    await using client = await connectWyoming(port);
    client.send('transcript', { text, language: 'en' });
    const answers = ['intent', 'not-recognized', 'handled', 'not-handled', 'error'];
    const { type, data } = await client.next(...answers);
    return { type, data };
  }

  test('with an intent becomes that intent with its slots', async () => {
    expect(await meaning(' On! ')).toEqual({
      type: 'intent',
      data: { name: 'HassTurnOn', entities: [{ name: 'area', value: 'kitchen' }] },
    });
  });

  test('with a message is handled once the message is out', async () => {
    await using mqtt = await connectTest(node.ready.mqtt, ['test/stop']);
    expect(await meaning('stop')).toEqual({ type: 'handled', data: { text: 'Stopped' } });
    const { payload } = await mqtt.next(() => true);
    expect(payload.toString()).toBe('all');
  });

  test.each(['', 'open the door', 'constructor', '__proto__'])('%j is none', async (text) => {
    expect((await meaning(text)).type).toBe('not-recognized');
  });

  test('that is no text is refused, and the connection goes on', async () => {
    await using client = await connectWyoming(port);
    client.send('transcript', { text: 7 });
    expect((await client.next('error')).data).toMatchObject({
      code: 'value-invalid',
      text: expect.stringContaining('text'),
    });
    client.send('ping', { text: 'still' });
    expect((await client.next('pong')).data.text).toBe('still');
  });
});

describe('many clients', () => {
  test(`${CLIENTS} at once each get their own command, on names that are used again`, async () => {
    await using mqtt = await connectTest(node.ready.mqtt, ['ledge/in/command/+']);
    const words = ['yes', 'no', 'left', 'right', 'stop'];
    const asked = Array.from({ length: CLIENTS }, (_, at) => words[at % words.length] ?? '');
    const clients = await Promise.all(asked.map(() => connectWyoming(port)));
    const heard = await Promise.all(
      clients.map((client, at) => transcribe(client, asked[at] ?? '')),
    );
    expect(heard).toEqual(asked);
    await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
    const clips = await mqtt.count(CLIENTS);
    const devices = new Set(clips.map(({ topic }) => topic));
    expect(devices.size).toBe(CLIENTS);
    const numbers = [...devices].map((topic) =>
      Number(topic.slice('ledge/in/command/wyoming-'.length)),
    );
    expect(Math.max(...numbers)).toBeLessThanOrEqual(64);
  });
});

describe('a hostile client', () => {
  test.each([
    ['noise', Buffer.from([0xff, 0x00, 0x0a])],
    ['a huge length', Buffer.from('{"type":"audio-chunk","payload_length":99999999999}\n')],
    ['a line without an end', Buffer.alloc(70_000, 'x')],
    ['deep JSON', Buffer.from(`${'['.repeat(60_000)}\n`)],
  ])('that sends %s is told why and let go', async (_, bytes) => {
    await using client = await connectWyoming(port);
    client.raw(bytes);
    const { data } = await client.next('error');
    expect(data.code).toMatch(/^payload-/);
    await client.closed;
  });

  test('that changes the format within a stream is refused once, and served again after', async () => {
    await using client = await connectWyoming(port);
    client.send('transcribe');
    client.send('audio-start', PLAIN);
    for (let at = 0; at < 20; at++) {
      const rate = at === 0 ? 16_000 : 8000;
      client.send('audio-chunk', { ...PLAIN, rate }, new Uint8Array(640));
    }
    client.send('audio-stop');
    await client.next('transcript');
    expect(client.events.map(({ type }) => type)).toEqual(['error', 'transcript']);
    expect(await transcribe(client, 'right')).toBe('right');
  });

  test.each([
    ['rate', { rate: 1e9 }],
    ['rate', { rate: 44_099 }],
    ['width', { width: 9 }],
    ['channels', { channels: 0 }],
  ])('that declares an impossible %s is told', async (field, wrong) => {
    await using client = await connectWyoming(port);
    client.send('audio-start', { ...PLAIN, ...wrong });
    const { data } = await client.next('error');
    expect(data.text).toContain(field);
  });

  test('leaves the node as it was', async () => {
    await using client = await connectWyoming(port);
    expect(await transcribe(client, 'no')).toBe('no');
    expect(node.log.filter(({ level }) => level === 'error')).toEqual([]);
  });
});
