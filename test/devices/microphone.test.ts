import { readFileSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseWav } from '../../src/signal/wav.ts';
import { packagePath } from '../../src/std/package.ts';
import { ledge } from '../harness/cli.ts';
import { connectTest, type Received, type TestClient } from '../harness/mqtt.ts';
import { type RunningNode, startNode, temporaryFolder } from '../harness/node.ts';
import { hasPulse, type Pulse, startPulse } from '../harness/pulse.ts';
import { hasTool } from '../harness/tools.ts';

const SILENT_MS_MAX = 1_000;
const DEVICES = 'ledge/test/bridge/devices';
const RESULTS = 'ledge/test/keyword-spotting/kitchen';
const SOUND = 'ledge/in/voice/kitchen';
const PROGRAMS = (['arecord', 'sox'] as const).map((program) => ({
  program,
  runs: hasPulse && hasTool(program),
}));

interface Heard {
  readonly state: string;
  readonly restarts: number;
  readonly reason?: string;
}

/** What a message on bridge/devices tells of the one microphone. */
function microphone({ topic, json }: Received): Heard | undefined {
  return topic === DEVICES ? (json.microphones as Heard[] | undefined)?.[0] : undefined;
}

function isRecording(restarts: number) {
  return (message: Received): boolean => {
    const heard = microphone(message);
    return heard?.state === 'recording' && heard.restarts >= restarts;
  };
}

/** The process ids of a process's children. */
function childrenOf(id: number | undefined): number[] {
  const text = readFileSync(`/proc/${id}/task/${id}/children`, 'utf8');
  return text.split(' ').filter(Boolean).map(Number);
}

describe.each(PROGRAMS)('a microphone recorded by $program', ({ program, runs }) => {
  describe.skipIf(!runs)('in a room of a real PulseAudio (skipped where it is missing)', () => {
    let pulse: Pulse;
    let node: RunningNode;
    let client: TestClient;
    let folder: string;

    beforeAll(async () => {
      pulse = await startPulse();
      folder = await temporaryFolder();
      const config = join(folder, 'ledge.yaml');
      const one = { device: 'kitchen', program, input: pulse.input, silentMsMax: SILENT_MS_MAX };
      await writeFile(config, JSON.stringify({ microphones: [one] }));
      node = await startNode({
        flows: packagePath('flows'),
        args: ['--config', config],
        environment: pulse.environment,
      });
      client = await connectTest(node.ready.mqtt, [DEVICES, RESULTS, SOUND]);
    });
    afterAll(async () => {
      await client?.[Symbol.asyncDispose]();
      await node?.[Symbol.asyncDispose]();
      await pulse?.[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    });

    /** Plays a word until the flow has heard it; a window may cut it in two the first time. */
    async function hear(word: string): Promise<void> {
      const before = client.received.length;
      const fits = (message: Received) =>
        client.received.indexOf(message) >= before && labelOf(message) === word;
      const file = packagePath('flows', 'keyword-spotting', 'samples', `${word}.wav`);
      let heard = false;
      const found = client.next(fits).then(() => {
        heard = true;
      });
      while (!heard) await pulse.play(file);
      await found;
    }

    test('the keyword flow tells the words that are played into the room', async () => {
      await client.next(isRecording(0));
      await hear('yes');
      await hear('stop');
    });

    test('each piece of sound has the number after the one before', async () => {
      const pieces = await client.count(5, ({ topic }) => topic === SOUND);
      const numbers = pieces.map(({ packet }) => Number(packet.properties?.userProperties?.seq));
      const first = numbers[0] ?? Number.NaN;
      expect(numbers).toEqual(numbers.map((_, at) => (first + at) % 2 ** 32));
    });

    test.each(['SIGKILL', 'SIGSTOP'] as const)(
      'a recorder that gets %s is replaced',
      async (signal) => {
        const last = client.received.map(microphone).filter(Boolean).at(-1);
        const [recorder = 0] = childrenOf(node.process.pid);
        process.kill(recorder, signal);
        const restarts = (last?.restarts ?? 0) + 1;
        await client.next(isRecording(restarts));
        const reasons = client.received.flatMap((message) => microphone(message)?.reason ?? []);
        expect(reasons.join()).toContain(
          signal === 'SIGKILL' ? 'SIGKILL' : 'is silent for 1000 ms',
        );
        expect(childrenOf(node.process.pid)).not.toContain(recorder);
        await hear('no');
      },
    );

    test('a sound server that goes away and comes back is recorded again', async () => {
      const { restarts = 0 } = client.received.map(microphone).filter(Boolean).at(-1) ?? {};
      await pulse.unplug();
      await client.next((message) => {
        const heard = microphone(message);
        return heard?.state === 'waiting' && heard.restarts >= restarts;
      });
      await pulse.plug();
      await client.next(isRecording(restarts + 1));
      await hear('go');
      expect(node.process.exitCode).toBeNull();
    });

    test('ledge mic records exactly the seconds that were asked for', async () => {
      const file = join(folder, 'room.wav');
      const words = ['mic', 'record', file, '--program', program, '--input', pulse.input];
      const env = pulse.environment as Record<string, string>;
      const { code } = await ledge([...words, '--seconds', '0.5'], { env });
      expect(code).toBe(0);
      const { sampleRateHz, data } = parseWav(await readFile(file));
      expect({ sampleRateHz, bytes: data.byteLength }).toEqual({ sampleRateHz: 16e3, bytes: 16e3 });
    });

    test('a stop of the node ends the recorder', async () => {
      const children = childrenOf(node.process.pid);
      expect(children).toHaveLength(1);
      expect(await node.stop()).toBe(0);
      const alive = children.filter((id) => {
        try {
          return process.kill(id, 0);
        } catch {
          return false;
        }
      });
      expect(alive).toEqual([]);
    });
  });
});

test('a recorder that is not installed leaves the node up and is told', async () => {
  const folder = await temporaryFolder();
  const config = join(folder, 'ledge.yaml');
  await writeFile(config, JSON.stringify({ microphones: [{ device: 'attic' }] }));
  const environment = { ...process.env, PATH: folder };
  await using node = await startNode({ args: ['--config', config], environment });
  await using client = await connectTest(node.ready.mqtt, [DEVICES]);
  const told = await client.next((message) => (microphone(message)?.restarts ?? 0) >= 1);
  expect(microphone(told)).toMatchObject({ reason: 'arecord is not installed' });
  expect(await node.stop()).toBe(0);
  await rm(folder, { recursive: true, force: true });
});

function labelOf({ topic, json }: Received): unknown {
  if (topic !== RESULTS) return undefined;
  const { result } = json;
  const [best] = [result].flat() as { label?: string }[];
  return best?.label;
}
