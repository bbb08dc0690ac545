import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openClient } from '../../../src/bus/client.ts';
import { encodeWav } from '../../../src/signal/wav.ts';
import { type Mosquitto, startMosquitto } from '../../harness/mosquitto.ts';
import { connectTest } from '../../harness/mqtt.ts';
import { hasTool } from '../../harness/tools.ts';
import { openHouse } from './house.ts';

describe.skipIf(!hasTool('mosquitto'))(
  'Hermes on a broker of its own (skipped where mosquitto is missing)',
  () => {
    let broker: Mosquitto;
    beforeAll(async () => {
      broker = await startMosquitto();
    });
    afterAll(() => broker.remove());

    test.each(['5', '3.1.1'] as const)(
      'takes none of its own messages for a request, over MQTT %s',
      async (protocol) => {
        const clientId = `hermes-${protocol}`;
        const bus = await openClient({ url: broker.url, clientId, protocol });
        await using house = await openHouse({}, bus);
        const { peer, voice } = house;
        const session = { site: 'kitchen', sessionId: 'wake-1' };
        await voice.tell({ ...session, type: 'session-started', trigger: 'wake' });
        await peer.hear('asr/startListening');
        await voice.tell({ ...session, type: 'command', text: 'on', score: 1, seconds: 1 });
        const { sessionId } = await peer.hear('intent/HassTurnOn');
        await peer.say('dialogueManager/endSession', { sessionId });
        await peer.hear('dialogueManager/sessionEnded');
        await peer.say('nlu/query', { input: 'off' });
        await peer.hear('intent/HassTurnOff');
        expect(peer.heard().filter((path) => path === 'intent/HassTurnOn')).toHaveLength(1);
        expect(peer.heard().filter((path) => path.startsWith('error/'))).toEqual([]);
        expect(voice.received).toEqual([]);
      },
    );

    test('takes the sound of a satellite', async () => {
      const bus = await openClient({ url: broker.url, clientId: 'hermes-sound' });
      await using house = await openHouse({}, bus);
      await using flow = await connectTest(broker.url, ['ledge/in/voice/+']);
      const wav = encodeWav(new Float32Array(1600).fill(0.25), 16_000);
      await house.peer.send('audioServer/bedroom.gp01/audioFrame', wav);
      const { topic, payload } = await flow.next(() => true);
      expect(topic).toBe('ledge/in/voice/bedroom_x2egp01');
      expect(payload.equals(wav.subarray(44))).toBe(true);
    });
  },
);
