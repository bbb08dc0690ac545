import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { configSchema } from '../../../src/node/config.ts';
import { toMono } from '../../../src/signal/pcm.ts';
import { connectHermes } from '../../harness/hermes.ts';
import { type RunningNode, startNode } from '../../harness/node.ts';
import { startSatellite } from '../../harness/satellite.ts';
import { spoken, writeVoiceFlows } from '../wyoming/voice-flows.ts';

const hasVoice = 'voice' in configSchema.shape;

/** The wake word of the test's flow is a loud sound. */
const WAKE_WORD = Float32Array.from({ length: 1600 }, (_, at) => 0.7 * Math.sin(at / 8));
const PAUSE = new Float32Array(8000);

async function word(name: string): Promise<Float32Array> {
  return toMono(await spoken(name), { format: 'int16', channels: 1 });
}

describe.skipIf(!hasVoice)(
  'a node with voice sessions (skipped where there is no field voice)',
  () => {
    let node: RunningNode;
    let flows: string;
    beforeAll(async () => {
      flows = await writeVoiceFlows();
      node = await startNode({ flows, args: ['--set', 'voice={}', '--set', 'hermes={}'] });
    });
    afterAll(async () => {
      await node.stop();
      await rm(flows, { recursive: true });
    });

    test('hears the wake word and a command of a satellite, and a skill answers', async () => {
      await using skill = await connectHermes(node.ready.mqtt);
      await using satellite = startSatellite(skill, 'kitchen');
      for (const sound of [PAUSE, WAKE_WORD, PAUSE, await word('on')]) satellite.play(sound);
      const { siteId } = await skill.hear('hotword/computer/detected');
      expect(siteId).toBe('kitchen');
      const { sessionId } = await skill.hear('dialogueManager/sessionStarted');
      expect(await skill.hear('intent/HassTurnOn')).toMatchObject({
        ...{ input: 'on', siteId: 'kitchen', sessionId },
        slots: [{ slotName: 'area', value: { value: 'kitchen' } }, { slotName: 'domain' }],
      });
      await skill.say('dialogueManager/continueSession', { sessionId });
      await skill.hear('asr/startListening');
      await skill.hear('asr/startListening');
      satellite.play(await word('off'));
      await skill.hear('intent/HassTurnOff');
      await skill.say('dialogueManager/endSession', { sessionId });
      expect(await skill.hear('dialogueManager/sessionEnded')).toMatchObject({
        ...{ sessionId, termination: { reason: 'nominal' } },
      });
      expect(skill.heard().filter((path) => path.startsWith('error/'))).toEqual([]);
    });

    test('listens to a satellite that wakes by itself, and is silent before that', async () => {
      await using skill = await connectHermes(node.ready.mqtt);
      await skill.say('hotword/porcupine/detected', { modelId: 'p', siteId: 'attic' });
      await skill.hear('asr/startListening');
      await using satellite = startSatellite(skill, 'attic');
      for (const sound of [PAUSE, await word('off')]) satellite.play(sound);
      expect(await skill.hear('intent/HassTurnOff')).toMatchObject({
        ...{ siteId: 'attic', wakewordId: 'porcupine' },
      });
    });
  },
);
