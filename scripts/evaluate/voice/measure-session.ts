import { type Pace, playLive, type Stretch } from './live.ts';
import type { VoiceData } from './measure-wake.ts';
import {
  createRandom,
  isHeldBack,
  joined,
  loudPart,
  RATE_HZ,
  room,
  speechLevel,
  withNoise,
} from './sounds.ts';
import { startVoiceNode } from './voice-node.ts';
import { quantile } from './wake-curve.ts';

/** Microphones of one house, all spoken to at once. */
const LIVE_DEVICES = 8;
const KITCHEN_FROM_SECONDS = 90;

/** How well whole sessions went: wake word, pause, command. */
export interface SessionRow {
  readonly name: string;
  readonly said: number;
  /** Sessions that began. */
  readonly woke: number;
  /** Commands that were told with the right word. */
  readonly right: number;
  /** Commands that were told with another word. */
  readonly wrong: number;
  /** From the end of speech to the command, ms. */
  readonly latencyMs: { readonly p50: number; readonly p95: number; readonly max: number };
  /** From the end of the wake word to the session, ms. */
  readonly wakeMs: { readonly p50: number; readonly p95: number };
}

interface Said extends Stretch {
  readonly label: string;
  readonly wakeEnd: number;
  readonly speechEnd: number;
  wakeMs?: number;
  commandMs?: number;
  heard?: string;
}

/** Every dev word behind a recording of the wake word, clean or with kitchen noise below it. */
export async function measureSessions(
  data: VoiceData,
  { decibels, every }: { readonly decibels: number | undefined; readonly every: number },
): Promise<{ readonly row: SessionRow; readonly pace: Pace }> {
  const stretches = stretchesOf(data, decibels).filter((_, index) => index % every === 0);
  await using node = await startVoiceNode();
  const now = new Map<string, { readonly said: Said; at(sample: number): number }>();
  for (const said of stretches) said.begun = (device, at) => void now.set(device, { said, at });
  await node.hear('voice', (device, { type, label }, atMs) => {
    const current = now.get(device);
    if (current === undefined) return;
    const { said, at } = current;
    if (type === 'session-started') said.wakeMs ??= atMs - at(said.wakeEnd);
    if (type !== 'command' || said.heard !== undefined) return;
    said.commandMs = atMs - at(said.speechEnd);
    said.heard = String(label);
  });
  const devices = Array.from({ length: LIVE_DEVICES }, (_, index) => `mic-${index}`);
  const pace = await playLive(node.bus, devices, stretches);
  const told = stretches.filter(({ heard }) => heard !== undefined);
  const right = told.filter(({ heard, label }) => heard === label);
  const latencies = right.flatMap(({ commandMs }) => commandMs ?? []);
  const wakes = stretches.flatMap(({ wakeMs }) => wakeMs ?? []);
  const row = {
    name: decibels === undefined ? 'clean' : `kitchen at ${decibels} dB`,
    ...{ said: stretches.length, woke: wakes.length },
    ...{ right: right.length, wrong: told.length - right.length },
    latencyMs: {
      p50: quantile(latencies, 0.5),
      p95: quantile(latencies, 0.95),
      max: quantile(latencies, 1),
    },
    wakeMs: { p50: quantile(wakes, 0.5), p95: quantile(wakes, 0.95) },
  };
  return { row, pace };
}

function stretchesOf({ words, dev, kitchen }: VoiceData, decibels: number | undefined): Said[] {
  const random = createRandom(21);
  const wakeWords = words.filter(({ name }) => isHeldBack(name));
  const noise = kitchen.subarray(KITCHEN_FROM_SECONDS * RATE_HZ);
  return dev
    .filter(({ folder }) => !folder.startsWith('_'))
    .map(({ folder: label, samples: word }, index) => {
      const { samples } = wakeWords[index % wakeWords.length]!;
      const loud = loudPart(samples);
      const wake = samples.subarray(loud.begin, loud.end);
      const gain = speechLevel(word) / speechLevel(samples);
      const before = joined(
        room(1.2, random),
        wake.map((sample) => Math.max(-32_768, Math.min(32_767, sample * gain))),
        room(0.2 + 0.4 * random(), random),
      );
      const wakeEnd = Math.round(1.2 * RATE_HZ) + wake.length;
      const spoken = loudPart(word);
      // The word with its own room around it, as it was recorded.
      const all = joined(
        before,
        word.subarray(Math.max(0, spoken.begin - RATE_HZ / 10)),
        room(3, random),
      );
      const cut = Math.max(0, spoken.begin - RATE_HZ / 10);
      const speechEnd = before.length + spoken.end - cut;
      const from = Math.floor(random() * noise.length);
      const mixed =
        decibels === undefined
          ? all
          : withNoise(all, noise, { level: speechLevel(word), decibels, from });
      return { label, wakeEnd, speechEnd, samples: mixed };
    });
}
