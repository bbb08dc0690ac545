import { describe, expect, test } from 'vitest';
import { nearSentence, sentence } from '../../../scripts/evaluate/voice/chatter.ts';
import {
  createRandom,
  isHeldBack,
  loudPart,
  RATE_HZ,
  room,
  speechLevel,
  withNoise,
} from '../../../scripts/evaluate/voice/sounds.ts';
import { quantile, wakesAt } from '../../../scripts/evaluate/voice/wake-curve.ts';

/** Half a second of a tone between two silences. */
function toneInSilence(): Int16Array {
  const samples = new Int16Array(2 * RATE_HZ);
  for (let at = RATE_HZ / 2; at < RATE_HZ; at++) samples[at] = 8000 * Math.sin(at / 3);
  return samples;
}

describe('sounds', () => {
  test('end where they are no longer loud', () => {
    expect(loudPart(toneInSilence())).toEqual({ begin: RATE_HZ / 2, end: RATE_HZ });
  });

  test.each([20, 10, 5])('get noise %d dB below their speech', (decibels) => {
    const tone = toneInSilence();
    const noise = room(1, createRandom(1));
    const level = speechLevel(tone);
    const mixed = withNoise(tone, noise, { level, decibels, from: 3 });
    let power = 0;
    for (let at = 0; at < RATE_HZ / 2; at++) power += mixed[at]! ** 2 / (RATE_HZ / 2);
    expect(20 * Math.log10(level / Math.sqrt(power))).toBeCloseTo(decibels, 0);
  });

  test('that training kept back are a third of the names', () => {
    const held = Array.from({ length: 900 }, (_, at) => isHeldBack(`clip-${at}`)).filter(Boolean);
    expect(held.length).toBeGreaterThan(250);
    expect(held.length).toBeLessThan(350);
  });
});

describe('the curve of wakes', () => {
  const scores = [0.1, 0.6, 0.9, 0.7, 0.55, 0.2, 0.95, 0.1, 0.8].map((score, at) => ({
    score,
    atMs: at * 1000,
  }));

  test.each([
    [0.3, 3],
    [0.6, 3],
    [0.85, 2],
    [0.92, 1],
    [0.99, 0],
  ])('counts the beginnings of a state at %d', (threshold, wakes) => {
    expect(wakesAt(scores, threshold)).toBe(wakes);
  });

  test('counts one wake in the refractory time', () => {
    const twice = [0.9, 0, 0.9].map((score, at) => ({ score, atMs: at * 500 }));
    expect(wakesAt(twice, 0.5)).toBe(1);
  });

  test('has quantiles', () => {
    expect(quantile([5, 1, 3], 0.5)).toBe(3);
    expect(quantile([5, 1, 3], 1)).toBe(5);
  });
});

test('generated sentences never say the wake word', () => {
  const random = createRandom(7);
  for (let count = 0; count < 2000; count++) {
    expect(sentence(random).split(' ')).not.toContain('computer');
    expect(nearSentence(random).split(' ')).not.toContain('computer');
  }
});
