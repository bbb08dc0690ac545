import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { parseWav } from '../../src/signal/wav.ts';
import { packagePath } from '../../src/std/package.ts';
import { openFlow } from './opened-flow.ts';

const PIECE_BYTES = 3200; // 100 ms of 16-bit samples at 16 kHz
const SECOND_BYTES = 32_000;
const WORDS = ['yes', 'no', 'stop'];

async function samplesOf(word: string): Promise<Uint8Array> {
  const path = packagePath('flows', 'keyword-spotting', 'samples', `${word}.wav`);
  const { data } = parseWav(await readFile(path));
  const second = new Uint8Array(SECOND_BYTES);
  second.set(data.subarray(0, SECOND_BYTES));
  return second;
}

test('the keyword flow hears words in raw pieces of 100 ms, a window every half second', async () => {
  await using flow = await openFlow('keyword-spotting');
  const stream = Buffer.concat(await Promise.all(WORDS.map(samplesOf)));
  const labels: unknown[] = [];
  const counts: number[] = [];
  for (let start = 0; start < stream.length; start += PIECE_BYTES) {
    const results = await flow.process(stream.subarray(start, start + PIECE_BYTES));
    labels.push(...results.map(({ label }) => label));
    counts.push(results.length);
  }
  const full = counts.flatMap((count, piece) => (count > 0 ? [piece + 1] : []));
  expect(full).toEqual([10, 15, 20, 25, 30]);
  expect(labels.filter((_, window) => window % 2 === 0)).toEqual(WORDS);
});
