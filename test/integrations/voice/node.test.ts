import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectTest, type Received, type TestClient } from '../../harness/mqtt.ts';
import { type RunningNode, startNode, temporaryFolder } from '../../harness/node.ts';
import { joined, silence, spoken, tone, writeVoiceFlows } from './voice-flows.ts';

const CHUNK_MS = 50;
const CHUNK = 16 * CHUNK_MS;
const BRIDGE = 'ledge/test/bridge';

let flows: string;
let folder: string;
let node: RunningNode;
let client: TestClient;

beforeAll(async () => {
  flows = await writeVoiceFlows();
  folder = await temporaryFolder();
  const config = join(folder, 'ledge.yaml');
  const voice = {
    sites: { kitchen: { devices: ['mic'], room: 'Kitchen' } },
    // The loudness of these tests has no hang-over: a word has pauses of its own.
    endSilenceMs: 200,
    intents: {
      stop: { intent: 'HassTurnOff', slots: { area: '{room}' } },
      go: { publish: { topic: 'test/{site}/go', payload: '{room}' } },
    },
  };
  await writeFile(config, JSON.stringify({ voice, health: { intervalSeconds: 1 } }));
  node = await startNode({ flows, data: folder, args: ['--config', config] });
  client = await connectTest(node.ready.mqtt, ['ledge/test/voice/+', `${BRIDGE}/#`, 'test/#']);
});
afterAll(async () => {
  await client[Symbol.asyncDispose]();
  await node.stop();
  for (const path of [flows, folder]) await rm(path, { recursive: true });
});

type Fate = 'sent' | 'lost' | 'twice';

/** Sends sound as a microphone does: numbered, and as fast as it is heard. */
async function say(
  device: string,
  sound: Int16Array,
  fate: (chunk: number) => Fate = () => 'sent',
): Promise<void> {
  const start = performance.now();
  for (let at = 0, number = 0; at < sound.length; at += CHUNK, number++) {
    const samples = sound.slice(at, at + CHUNK);
    const payload = Buffer.from(samples.buffer);
    const properties = { userProperties: { seq: String(number) } };
    for (let copy = { sent: 1, lost: 0, twice: 2 }[fate(number)]; copy > 0; copy--) {
      client.client.publish(`ledge/in/voice/${device}`, payload, { qos: 0, properties });
    }
    const dueMs = (number + 1) * CHUNK_MS - (performance.now() - start);
    await setTimeout(Math.max(0, dueMs));
  }
}

/** The wake word, a word after it, and silence around. */
const called = async (word: string, pause = 0.4): Promise<Int16Array> =>
  joined(silence(0.3), tone(0.25), silence(pause), await spoken(word), silence(1.2));

const of = (site: string) => (message: Received) => message.topic === `ledge/test/voice/${site}`;
const ended = (site: string) => (message: Received) =>
  of(site)(message) && message.json.type === 'session-ended';
const told = (site: string) => client.received.filter(of(site)).map(({ json }) => json);

let transactions = 0;

async function request(name: string, body: object = {}): Promise<Record<string, unknown>> {
  const transaction = `t${transactions++}`;
  const payload = JSON.stringify({ ...body, transaction });
  await client.client.publishAsync(`${BRIDGE}/request/${name}`, payload, { qos: 1 });
  const answer = await client.next(
    ({ topic, json }) => topic === `${BRIDGE}/response/${name}` && json.transaction === transaction,
  );
  return answer.json;
}

describe('a node hears', () => {
  test('commands at several sites at once, each with its meaning', async () => {
    await Promise.all([
      called('stop').then((sound) => say('mic', sound)),
      called('go').then(async (sound) => {
        await setTimeout(600); // later than the arbitration: somebody else speaks
        await say('hall', sound);
      }),
    ]);
    await client.next(ended('kitchen'));
    await client.next(ended('hall'));
    expect(told('kitchen')).toMatchObject([
      { type: 'session-started', device: 'mic', trigger: 'wake', wake: { label: 'computer' } },
      {
        ...{ type: 'command', text: 'stop', label: 'stop' },
        intent: { name: 'HassTurnOff', slots: { area: 'Kitchen' } },
      },
      { type: 'session-ended', reason: 'command' },
    ]);
    expect(told('hall')).toMatchObject([
      { type: 'session-started', device: 'hall' },
      { type: 'command', label: 'go', timing: { totalMs: expect.any(Number) } },
      { type: 'session-ended', reason: 'command' },
    ]);
    const sent = await client.next(({ topic }) => topic === 'test/hall/go');
    expect(String(sent.payload)).toBe('hall');
  });

  test('through lost and repeated chunks, and says so on bridge/health', async () => {
    const sound = await called('stop');
    await say('lossy', sound, (chunk) => {
      if (chunk === 3 || chunk === 20) return 'lost';
      return chunk % 7 === 0 ? 'twice' : 'sent';
    });
    await client.next(ended('lossy'));
    expect(told('lossy')).toMatchObject([{}, { type: 'command', label: 'stop' }, {}]);
    const { data } = await request('voice/list');
    expect(data).toMatchObject({ sound: { lost: 2, bridged: 2, duplicated: 9 } });
    const seen = await client.next(({ topic, json }) => {
      if (topic !== `${BRIDGE}/health`) return false;
      const { steps } = (json.flows as Record<string, { steps: object[] }>)['wake-word']!;
      return JSON.stringify(steps[0]).includes('"lost":2');
    });
    expect(JSON.stringify(seen.json)).toContain('"bridged":2');
  });

  test('a stream that stops, and a flow of commands that is gone, to an end', async () => {
    const stops = joined(silence(0.3), tone(0.25), silence(0.2));
    await say('stops', stops);
    await client.next(ended('stops'));
    expect(told('stops')[1]).toMatchObject({ type: 'not-recognised', reason: 'audio-lost' });
    await request('flow/disable', { name: 'voice-command' });
    await say('orphan', await called('stop'));
    await say('orphan', silence(3));
    await client.next(ended('orphan'));
    expect(told('orphan')[1]).toMatchObject({ type: 'not-recognised', reason: 'failed' });
    await request('flow/enable', { name: 'voice-command' });
  }, 20_000);

  test('no more of a sound that was no wake word, at that site', async () => {
    const faint = joined(silence(0.5), tone(0.25, 0.25), silence(0.6));
    await say('bath', faint);
    await client.next(of('bath'));
    const refused = await request('voice/not-me', { site: 'bath' });
    expect(refused).toMatchObject({ status: 'ok', data: { site: 'bath' } });
    await client.next(ended('bath'));
    expect(await readdir(join(folder, 'voice', 'not-me'))).toHaveLength(1);
    await setTimeout(1500); // the refractory time
    const before = told('bath').length;
    await Promise.all([say('bath', faint), say('attic', faint)]);
    await client.next(of('attic'));
    expect(told('bath')).toHaveLength(before);
    await request('voice/cancel', { site: 'attic' });
  }, 20_000);

  test('requests that make no sense, with an answer that says why', async () => {
    expect(await request('voice/listen', { site: 'nowhere' })).toMatchObject({
      status: 'error',
      error: expect.stringContaining('There is no site "nowhere"'),
    });
  });
});
