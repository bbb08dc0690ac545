import { expect, test } from 'vitest';
import { createRandom } from '../../scripts/fuzz/random.ts';
import { memoryReport } from '../../scripts/fuzz/target.ts';
import { TARGETS } from '../../scripts/fuzz/targets.ts';

/** Inputs here; `npm run fuzz` tries a million of each, with memory and time watched. */
const INPUTS = 600;

test.each([...TARGETS])('%s holds for every input of one seed', async (_, open) => {
  const { input, check } = await open();
  const broken: string[] = [];
  for (let index = 0; index < INPUTS; index += 1) {
    const bytes = input(createRandom(index));
    try {
      await check(bytes);
    } catch (error) {
      broken.push(`${error} of ${Buffer.from(bytes).toString('base64')}`);
    }
  }
  expect(broken).toEqual([]);
});

test.each([...TARGETS])('%s gives the same inputs for the same seed', async (_, open) => {
  const [one, two] = [await open(), await open()];
  for (let index = 0; index < 20; index += 1) {
    // Keys are made anew by each; what is mutated is the same otherwise.
    const [first, second] = [one.input(createRandom(index)), two.input(createRandom(index))];
    expect(second.length).toBe(first.length);
  }
});

test('memory that grows has a slope, memory that comes and goes has none', () => {
  const samples = (bytes: (at: number) => number) =>
    Array.from({ length: 100 }, (_, at) => [at * 1000, bytes(at)] as const);
  expect(memoryReport(samples((at) => 1e6 + at * 5000)).slopeBytesPerInput).toBeCloseTo(5);
  expect(memoryReport(samples((at) => 1e6 + (at % 2) * 5000)).slopeBytesPerInput).toBeLessThan(0.1);
  expect(memoryReport([]).slopeBytesPerInput).toBe(0);
});
