import { describe, expect, test } from 'vitest';
import { mutate } from '../../scripts/fuzz/mutate.ts';
import { PARSERS } from '../../scripts/fuzz/parsers.ts';
import { createRandom } from '../../scripts/fuzz/random.ts';
import { isTold } from '../../scripts/fuzz/told.ts';

/** Inputs of each parser here; `npm run fuzz -- --target parsers` tries as many as it is told. */
const INPUTS = 2000;

describe.each(PARSERS)('the parser of $name', ({ seeds, parse }) => {
  test('takes what its encoder writes', async () => {
    for (const seed of seeds) await parse(seed);
  });

  test('tells of whatever else it is given', async () => {
    const untold: string[] = [];
    const random = createRandom(20_261_122);
    for (let input = 0; input < INPUTS; input += 1) {
      const bytes =
        input % 20 === 0 ? random.bytes(random.below(64)) : mutate(random.pick(seeds), random);
      try {
        await parse(bytes);
      } catch (error) {
        if (!isTold(error)) untold.push(`${error} of ${Buffer.from(bytes).toString('base64')}`);
      }
    }
    expect(untold).toEqual([]);
  });
});
