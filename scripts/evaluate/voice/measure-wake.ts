import { chatter, type Talk } from './chatter.ts';
import { type Pace, playLive, type Stretch } from './live.ts';
import {
  createRandom,
  isHeldBack,
  joined,
  loudPart,
  RATE_HZ,
  type Recording,
  room,
  speechLevel,
  withNoise,
} from './sounds.ts';
import { SCORES_FLOW, startVoiceNode } from './voice-node.ts';
import { type Scored, wakesAt } from './wake-curve.ts';

export const THRESHOLDS = [0.3, 0.5, 0.7, 0.8, 0.9, 0.93, 0.95];
/** Kitchen noise before this was trained on. */
const KITCHEN_FROM_SECONDS = 70;
const NOISES = [undefined, 20, 10, 5] as const;
export const LIVE_DEVICES = 16;
/** Generated speech, by whether training heard these voices, and its parts of the time. */
const TALKS: readonly (readonly [Talk, number])[] = [
  ['heard voices', 0.3],
  ['unheard voices', 0.45],
  ['unheard voices, near words', 0.25],
];

/** One row of the table: a kind of sound, and how often it woke at each threshold. */
export interface WakeRow {
  readonly kind: 'word' | 'other';
  readonly name: string;
  /** Words said, or hours of sound. */
  readonly amount: number;
  /** Words that woke (of these), or false wakes, at each of THRESHOLDS. */
  readonly wakes: readonly number[];
  /** The same by the flow itself, at its own threshold. */
  readonly flow: number;
}

/** What is measured on. */
export interface VoiceData {
  readonly words: readonly Recording[];
  readonly otherWords: readonly Recording[];
  readonly orders: readonly Recording[];
  readonly dev: readonly Recording[];
  readonly speech: readonly Recording[];
  readonly kitchen: Int16Array;
}

interface Played extends Stretch {
  readonly name: string;
  readonly kind: 'word' | 'other';
  readonly scores: Scored[];
  wakes: number;
}

/** Words in a room, clean and in noise, and hours of other sound, through live devices. */
export async function measureWake(
  data: VoiceData,
  hours: number,
): Promise<{ readonly rows: readonly WakeRow[]; readonly pace: Pace }> {
  const stretches = [...wordStretches(data), ...otherStretches(data, hours)];
  await using node = await startVoiceNode({ scores: 'told' });
  const now = new Map<string, Played>();
  for (const stretch of stretches) {
    stretch.begun = (device) => void now.set(device, stretch);
  }
  await node.hear(SCORES_FLOW, (device, body, atMs) => {
    const { top = [] } = (body.result ?? {}) as { top?: { label: string; score: number }[] };
    const found = top.find(({ label }) => !label.startsWith('_'));
    if (found !== undefined) now.get(device)?.scores.push({ atMs, score: found.score });
  });
  await node.hear('wake-word', (device, body) => {
    const stretch = now.get(device);
    if (body.result !== undefined && stretch !== undefined) stretch.wakes += 1;
  });
  const devices = Array.from({ length: LIVE_DEVICES }, (_, index) => `mic-${index}`);
  const pace = await playLive(node.bus, devices, stretches);
  return { rows: rowsOf(stretches), pace };
}

function played(name: string, kind: Played['kind'], samples: Int16Array): Played {
  return { name, kind, samples, scores: [], wakes: 0 };
}

/** Each word with two seconds of room before it and a second and a half behind. */
function wordStretches({ words, kitchen }: VoiceData): Played[] {
  const random = createRandom(11);
  const held = kitchen.subarray(KITCHEN_FROM_SECONDS * RATE_HZ);
  return words.flatMap(({ name, samples }) => {
    const word = samples.subarray(Math.max(0, loudPart(samples).begin - RATE_HZ / 10));
    const quiet = joined(room(2, random), word, room(1.5, random));
    const of = isHeldBack(name) ? 'held back' : 'trained on';
    return NOISES.map((decibels) => {
      const title = `${of}, ${decibels === undefined ? 'clean' : `kitchen at ${decibels} dB`}`;
      if (decibels === undefined) return played(title, 'word', quiet);
      const from = Math.floor(random() * held.length);
      const mixed = withNoise(quiet, held, { level: speechLevel(samples), decibels, from });
      return played(title, 'word', mixed);
    });
  });
}

/** Sound without the word that was never trained on, and generated chatter up to so many hours. */
function otherStretches(data: VoiceData, hours: number): Played[] {
  const random = createRandom(12);
  const gap = () => room(0.6 + random(), random);
  const of = (name: string, recordings: readonly Recording[]) =>
    recordings.map(({ samples }) => played(name, 'other', joined(samples, gap())));
  const recorded = [
    ...of(
      'recorded speech',
      data.speech.filter(({ name }) => name !== 'jfk'),
    ),
    played('kitchen', 'other', data.kitchen.subarray(KITCHEN_FROM_SECONDS * RATE_HZ)),
    ...of(
      'coffee orders',
      data.orders.filter(({ name }) => isHeldBack(name)),
    ),
    ...of(
      'other wake words',
      data.otherWords.filter(({ name }) => isHeldBack(name)),
    ),
    ...of('keywords', data.dev),
  ];
  const seconds = recorded.reduce((sum, { samples }) => sum + samples.length / RATE_HZ, 0);
  const wanted = Math.max(0, hours * 3600 - seconds);
  // A gap takes about a third of a sentence: it is sound as well.
  const said = TALKS.flatMap(([talk, part]) =>
    chatter(wanted * 0.78 * part, random, talk).map((samples) =>
      played(`chatter, ${talk}`, 'other', joined(samples, gap())),
    ),
  );
  return [...recorded, ...said];
}

function rowsOf(stretches: readonly Played[]): WakeRow[] {
  const names = new Map(stretches.map(({ name, kind }) => [name, kind]));
  return [...names].map(([name, kind]) => {
    const own = stretches.filter((one) => one.name === name);
    const count = (wakes: (one: Played) => number) =>
      own.reduce((sum, one) => sum + (kind === 'word' ? Math.min(1, wakes(one)) : wakes(one)), 0);
    const seconds = own.reduce((sum, { samples }) => sum + samples.length / RATE_HZ, 0);
    return {
      ...{ kind, name, amount: kind === 'word' ? own.length : seconds / 3600 },
      wakes: THRESHOLDS.map((threshold) => count(({ scores }) => wakesAt(scores, threshold))),
      flow: count(({ wakes }) => wakes),
    };
  });
}
