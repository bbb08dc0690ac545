import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { createClips } from '../../../src/integrations/voice/clips.ts';
import { createNotMe } from '../../../src/integrations/voice/not-me.ts';
import { fitThreshold, THRESHOLD_MAX } from '../../../src/integrations/voice/threshold.ts';
import { parseWav } from '../../../src/signal/wav.ts';
import { openVoiceRoom, type VoiceRoom } from './voice-room.ts';

let room: VoiceRoom;
const opened: VoiceRoom[] = [];
afterEach(async () => {
  await opened.pop()?.[Symbol.asyncDispose]();
});

async function open(): Promise<void> {
  room = await openVoiceRoom({ sites: { kitchen: {}, hall: {} }, refractoryMs: 0 });
  opened.push(room);
}

/** A wake of this score. Whether it opened a session. */
async function wakes(site: string, score: number): Promise<boolean> {
  const before = room.told.length;
  await room.sound(site, 2500, 5000);
  await room.wake(site, score);
  await room.sound(site, 400, 0);
  const woke = room.told.length > before;
  await room.request('voice/cancel', { site });
  return woke;
}

const clipsOf = async () =>
  (await readdir(join(room.folder, 'not-me'))).map((name) => join(room.folder, 'not-me', name));

describe('voice/not-me', () => {
  test('keeps the clip, and the same sound wakes this site no more, another still', async () => {
    await open();
    expect(await wakes('kitchen', 0.7)).toBe(true);
    const answer = await room.request('voice/not-me', { site: 'kitchen' });
    const [clip = ''] = await clipsOf();
    expect(answer).toEqual({ site: 'kitchen', score: 0.7, threshold: expect.closeTo(0.71), clip });
    expect((await stat(clip)).mode & 0o777).toBe(0o600);
    expect((await stat(join(room.folder, 'not-me'))).mode & 0o777).toBe(0o700);
    const wav = parseWav(await readFile(clip));
    expect(wav).toMatchObject({ sampleRateHz: 16_000, channels: 1 });
    expect(wav.data.byteLength).toBe(2 * 2 * 16_000);
    expect(new DataView(wav.data.buffer, wav.data.byteOffset).getInt16(100, true)).toBe(5000);
    expect(await wakes('kitchen', 0.7)).toBe(false);
    expect(await wakes('kitchen', 0.9)).toBe(true);
    expect(await wakes('hall', 0.7)).toBe(true);
  });

  test('ends the session of that wake', async () => {
    await open();
    await room.sound('hall', 500, 5000);
    await room.wake('hall', 0.6);
    await room.sound('hall', 400, 0);
    const { sessionId } = room.told[0] ?? {};
    await room.request('voice/not-me', { sessionId });
    expect(room.told.at(-1)).toMatchObject({
      sessionId,
      type: 'session-ended',
      reason: 'cancelled',
    });
    await expect(room.request('voice/not-me', { sessionId })).rejects.toThrow('no such wake');
  });

  test('lasts over a restart, until it is told to forget', async () => {
    await open();
    await wakes('kitchen', 0.7);
    await room.request('voice/not-me', { site: 'kitchen' });
    await room.reopen();
    expect(await wakes('kitchen', 0.7)).toBe(false);
    const told = { site: 'kitchen', threshold: expect.closeTo(0.71), falseWakes: 1, goodWakes: 0 };
    expect(await room.request('voice/list')).toMatchObject({ sites: [told, { threshold: 0 }] });
    await room.request('voice/relearn', { site: 'kitchen' });
    expect(await wakes('kitchen', 0.7)).toBe(true);
  });

  test('weighs the wakes that led to a command', async () => {
    await open();
    await room.sound('kitchen', 500, 5000);
    await room.wake('kitchen', 0.95);
    await room.sound('kitchen', 500, 5000);
    await room.active('kitchen', false);
    await room.sound('kitchen', 100, 0);
    await room.answer([{ label: 'on', score: 0.9 }]);
    expect(room.types()).toContain('command');
    await wakes('kitchen', 0.7);
    const answer = await room.request('voice/not-me', { site: 'kitchen' });
    expect(answer).toMatchObject({ threshold: expect.closeTo((0.7 + 0.95) / 2) });
  });
});

/** A melody of half a second: its notes by a seed. */
function melody(seed: number, gain = 0.3): Int16Array {
  const notes = [5, 3, 7, 2, 6, 4].map((step) => 300 * 1.2 ** ((step * seed) % 11));
  return Int16Array.from({ length: 19_200 }, (_, at) => {
    const hertz = notes[Math.floor(at / 3200)] ?? 0;
    return gain * 32_767 * Math.sin((2 * Math.PI * hertz * at) / 16_000);
  });
}

test('what sounds like a false wake is refused whatever its score, until a good one is nearer', () => {
  const store = { get: () => undefined, set: () => undefined, flush: async () => undefined };
  const clips = { save: async () => 'clip.wav', count: async () => 0 };
  const notMe = createNotMe(store, { clips, failed: () => undefined });
  const jingle = { score: 0.999, clip: melody(1), ts: 0 };
  const word = { score: 0.97, clip: melody(4) };
  expect(notMe.judge('kitchen', jingle)).toBeUndefined();
  void notMe.refuse('kitchen', jingle);
  expect(notMe.judge('kitchen', jingle)).toBe('like-a-false-wake');
  const later = new Int16Array(19_200);
  later.set(
    jingle.clip.subarray(0, 18_000).map((sample) => sample / 4),
    1200,
  );
  expect(notMe.judge('kitchen', { score: 0.999, clip: later })).toBe('like-a-false-wake');
  expect(notMe.judge('kitchen', word)).toBeUndefined();
  expect(notMe.judge('hall', jingle)).toBeUndefined();
  notMe.good('kitchen', { score: 0.999, clip: later });
  expect(notMe.judge('kitchen', { score: 0.999, clip: later })).toBeUndefined();
});

test.each([
  ['nothing was refused', [], [0.9], 0],
  ['nothing else is known', [0.6, 0.7], [], 0.71],
  ['good wakes are better', [0.6], [0.9, 0.8, 0.95], 0.7],
  ['a weak one in ten', [0.7], [0.5, ...Array.from({ length: 10 }, () => 0.9)], 0.8],
  ['good wakes are no better', [0.9], [0.8, 0.85], 0.8],
  ['a false wake is as sure as can be', [1], [], THRESHOLD_MAX],
])('the threshold is fitted where %s', (_, wrong, good, threshold) => {
  expect(fitThreshold({ false: wrong, good })).toBeCloseTo(threshold);
});

test('clips are bounded, the newest stay, and a site cannot name a file elsewhere', async () => {
  await open();
  const folder = join(room.folder, 'clips');
  const clips = createClips(folder);
  const saved = Array.from({ length: 103 }, (_, at) =>
    clips.save('../x/é', new Int16Array(16), at),
  );
  await Promise.all(saved);
  const names = (await readdir(folder)).sort();
  expect(names).toHaveLength(100);
  expect(names[0]).toBe('000000000000003-___x__.wav');
  expect(await clips.count()).toBe(100);
  await clips.save('big', new Int16Array(4_000_000), 200);
  await clips.save('big', new Int16Array(1_000_000), 201);
  expect(await readdir(folder)).toEqual(['000000000000201-big.wav']);
});
