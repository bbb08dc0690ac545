import { playLive, type Stretch } from './live.ts';
import type { VoiceData } from './measure-wake.ts';
import { createRandom, isHeldBack, joined, loudPart, RATE_HZ, room } from './sounds.ts';
import { startVoiceNode, type VoiceNode } from './voice-node.ts';

/** Low enough that ordinary speech wakes it: at the flow's own threshold hours would be needed. */
const THRESHOLD = 0.3;
const LIVE_DEVICES = 16;
const SOUNDS_MAX = 8;
const REPEATS = 3;
const WORDS = 8;

/** What `voice/not-me` does at sites that wake falsely. */
export interface NotMeRow {
  readonly sounds: number;
  /** Of these, woke when played once more, and so could be refused. */
  readonly refused: number;
  /** Wakes by these sounds, played three times each, before and after one `not-me`. */
  readonly before: number;
  readonly after: number;
  readonly played: number;
  /** The wake word at the same sites, before and after. */
  readonly words: number;
  readonly wordsBefore: number;
  readonly wordsAfter: number;
}

/** Finds sounds that wake falsely, says once that each was none, and plays them and the word again. */
export async function measureNotMe(data: VoiceData): Promise<NotMeRow> {
  const random = createRandom(41);
  await using node = await startVoiceNode({ threshold: THRESHOLD });
  const waked = new Map<string, number>();
  await node.hear('voice', (device, { type }) => {
    if (type === 'session-started') waked.set(device, (waked.get(device) ?? 0) + 1);
  });
  const sounds = await findFalseWakes(node, waked, data);
  const sites = sounds.map((_, index) => `site-${index}`);
  const words = data.words.filter(({ name }) => isHeldBack(name)).slice(0, WORDS);
  const said = words.map(({ samples }) => {
    const { begin, end } = loudPart(samples);
    return samples.subarray(begin, end);
  });
  const again = (sound: Int16Array) => joined(room(1.5, random), sound, room(6, random));
  const play = async (of: (index: number) => readonly Int16Array[]): Promise<number> => {
    waked.clear();
    const all = sites.map((site, index) => ({ site, samples: joined(...of(index).map(again)) }));
    await Promise.all(all.map(({ site, samples }) => playLive(node.bus, [site], [{ samples }])));
    return sites.reduce((sum, site) => sum + (waked.get(site) ?? 0), 0);
  };
  const repeated = (index: number) => Array.from({ length: REPEATS }, () => sounds[index]!);
  const wordsBefore = await play(() => said);
  const before = await play(repeated);
  await play((index) => [sounds[index]!]);
  // A site that did not wake this time would take its last word for a false wake.
  const woken = sites.filter((site) => waked.has(site));
  for (const site of woken) await node.request('voice/not-me', { site });
  const after = await play(repeated);
  const wordsAfter = await play(() => said);
  const played = sites.length * REPEATS;
  return {
    ...{ sounds: sites.length, refused: woken.length, before, after, played },
    ...{ words: sites.length * said.length, wordsBefore, wordsAfter },
  };
}

/** Coffee orders that wake it: people's own sentences do so more often than generated ones. */
async function findFalseWakes(
  node: VoiceNode,
  waked: Map<string, number>,
  { orders }: VoiceData,
): Promise<Int16Array[]> {
  const random = createRandom(42);
  const found = new Set<Int16Array>();
  const now = new Map<string, Int16Array>();
  const stretches = orders.map(({ samples }): Stretch => {
    const begun = (device: string) => {
      const last = now.get(device);
      if (last !== undefined && (waked.get(device) ?? 0) > 0) found.add(last);
      waked.delete(device);
      now.set(device, samples);
    };
    return { samples: joined(samples, room(2, random)), begun };
  });
  const devices = Array.from({ length: LIVE_DEVICES }, (_, index) => `search-${index}`);
  await playLive(node.bus, devices, stretches);
  return [...found].filter(({ length }) => length < 12 * RATE_HZ).slice(0, SOUNDS_MAX);
}
