import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type HomeAssistant, startHomeAssistant } from '../../harness/home-assistant.ts';
import { type RunningNode, startNode, temporaryFolder } from '../../harness/node.ts';
import { joined, silence, spoken, writeVoiceFlows } from '../voice/voice-flows.ts';

const CHUNK = 1600; // 0.1 s

let flows: string;
let folder: string;
let node: RunningNode;
let home: HomeAssistant;

beforeAll(async () => {
  flows = await writeVoiceFlows();
  folder = await temporaryFolder();
  const config = join(folder, 'ledge.yaml');
  const voice = { sites: { kitchen: { devices: ['mic'] } }, endSilenceMs: 200 };
  const homeassistant = { stateIntervalMs: 0 };
  await writeFile(config, JSON.stringify({ voice, homeassistant }));
  node = await startNode({ flows, data: folder, args: ['--config', config] });
  home = await startHomeAssistant(node.ready.mqtt);
});
afterAll(async () => {
  await home[Symbol.asyncDispose]();
  await node.stop();
  for (const path of [flows, folder]) await rm(path, { recursive: true });
});

async function say(sound: Int16Array): Promise<void> {
  for (let at = 0; at < sound.length; at += CHUNK) {
    const payload = Buffer.from(sound.slice(at, at + CHUNK).buffer);
    await home.client.publishAsync('ledge/in/voice/mic', payload, { qos: 0 });
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

describe('a site that is spoken in', () => {
  const id = (platform: string, key: string) => `${platform}.test_voice_kitchen_${key}`;

  test('is there before anybody spoke, and is no flow that could be switched off', async () => {
    await home.until('its entities', () => home.entity(id('event', 'command')) !== undefined);
    expect(home.entity(id('event', 'command'))?.config.event_types).toEqual(['on', 'off']);
    expect(home.entity('switch.test_flow_voice')).toBeUndefined();
    expect(home.problems).toEqual([]);
  });

  test('shows that it listens, and each command as an event', async () => {
    await say(silence(0.3));
    await home.act(id('button', 'listen_now'), 'press');
    await home.until(
      'it listens',
      () => home.entity(id('binary_sensor', 'listening'))?.state === 'on',
    );
    await say(joined(silence(0.3), await spoken('off'), silence(1)));
    await home.until('a command', () => home.entity(id('event', 'command'))?.events[0] === 'off');
    await home.until(
      'the end',
      () => home.entity(id('binary_sensor', 'listening'))?.state === 'off',
    );
    expect(home.problems).toEqual([]);
  });
});
