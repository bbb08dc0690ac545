import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseWav } from '../../src/signal/wav.ts';
import { packagePath } from '../../src/std/package.ts';
import { connectTest, type TestClient } from '../harness/mqtt.ts';
import { type RunningNode, startNode, temporaryFolder } from '../harness/node.ts';

const CHUNK_MS = 80;
const CHUNK_BYTES = 32 * CHUNK_MS;

let folder: string;
let node: RunningNode;
let client: TestClient;

beforeAll(async () => {
  folder = await temporaryFolder();
  const config = join(folder, 'ledge.yaml');
  await writeFile(config, JSON.stringify({ voice: { sites: { kitchen: { room: 'Kitchen' } } } }));
  const flows = packagePath('flows');
  node = await startNode({ flows, data: folder, args: ['--config', config] });
  client = await connectTest(node.ready.mqtt, ['ledge/test/voice/+']);
});
afterAll(async () => {
  await client[Symbol.asyncDispose]();
  await node.stop();
  await rm(folder, { recursive: true });
});

async function sample(flow: string, name: string): Promise<Uint8Array> {
  return parseWav(await readFile(packagePath(`flows/${flow}/samples/${name}.wav`))).data;
}

/** Plays sound as a microphone does. */
async function play(...parts: readonly Uint8Array[]): Promise<void> {
  const sound = Buffer.concat(parts);
  const startMs = performance.now();
  for (let at = 0, count = 1; at < sound.length; at += CHUNK_BYTES, count++) {
    const properties = { userProperties: { seq: String(count) } };
    const payload = sound.subarray(at, at + CHUNK_BYTES);
    client.client.publish('ledge/in/voice/kitchen', payload, { qos: 0, properties });
    await setTimeout(Math.max(0, count * CHUNK_MS - (performance.now() - startMs)));
  }
}

test('"computer", then "off", by the default flows, is the intent of the room', async () => {
  const silence = await sample('keyword-spotting', 'silence');
  const word = await sample('keyword-spotting', 'off');
  await play(await sample('wake-word', 'computer'), word, silence, silence);
  const { json } = await client.next(({ json: { type } }) => type === 'command');
  expect(json).toMatchObject({
    ...{ site: 'kitchen', device: 'kitchen', label: 'off' },
    intent: { name: 'HassTurnOff', slots: { area: 'Kitchen', domain: 'light' } },
  });
  const told = client.received.map(({ json: { type } }) => type);
  expect(told.slice(0, 2)).toEqual(['session-started', 'command']);
});
