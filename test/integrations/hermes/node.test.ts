import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeWav } from '../../../src/signal/wav.ts';
import { connectHermes } from '../../harness/hermes.ts';
import { connectTest } from '../../harness/mqtt.ts';
import { type RunningNode, startNode } from '../../harness/node.ts';
import { writeVoiceFlows } from '../wyoming/voice-flows.ts';

let node: RunningNode;
let flows: string;

beforeAll(async () => {
  flows = await writeVoiceFlows();
  const intents = { on: { intent: 'HassTurnOn', slots: { area: '{site}' } } };
  const settings = [
    ...['wyoming.port=0', `wyoming.intents=${JSON.stringify(intents)}`],
    'hermes={"sites": {"default": "hall"}}',
  ];
  node = await startNode({ flows, args: settings.flatMap((one) => ['--set', one]) });
});

afterAll(async () => {
  await node.stop();
  await rm(flows, { recursive: true });
});

test('the sound of a satellite goes through the flows of a node', async () => {
  await using satellite = await connectHermes(node.ready.mqtt);
  await using results = await connectTest(node.ready.mqtt, ['ledge/test/voice-activity/+']);
  const tone = Float32Array.from({ length: 22_050 }, (_, at) => 0.5 * Math.sin(at / 8));
  const quiet = new Float32Array(11_025);
  for (const sound of [quiet, tone, quiet]) {
    for (let at = 0; at < sound.length; at += 2205) {
      const frame = encodeWav(sound.subarray(at, at + 2205), 22_050);
      await satellite.send('audioServer/bedroom.gp01/audioFrame', frame);
    }
  }
  const changes = await results.count(3);
  expect(changes.map(({ json }) => json)).toMatchObject([
    { device: 'bedroom_x2egp01', result: { active: false } },
    { device: 'bedroom_x2egp01', result: { active: true } },
    { device: 'bedroom_x2egp01', result: { active: false } },
  ]);
});

test('a sentence is understood by the rules of the node', async () => {
  await using skill = await connectHermes(node.ready.mqtt);
  await skill.say('nlu/query', { input: 'On!', sessionId: 's' });
  expect(await skill.hear('intent/HassTurnOn')).toMatchObject({
    ...{ siteId: 'default', sessionId: 's' },
    slots: [{ slotName: 'area', rawValue: 'hall', value: { value: 'hall' } }],
  });
});
