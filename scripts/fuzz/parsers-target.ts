import { mutate } from './mutate.ts';
import { PARSERS } from './parsers.ts';
import type { Target } from './target.ts';
import { isTold } from './told.ts';

/** Random bytes instead of a changed good input: one in so many. */
const NOISE_ONE_IN = 20;

/** All parsers of outside bytes; each input goes to one of them. */
export async function openParsersTarget(): Promise<Target> {
  const parserOf = new WeakMap<Uint8Array, (typeof PARSERS)[number]>();
  return {
    input(random) {
      const parser = random.pick(PARSERS);
      const noise = random.oneIn(NOISE_ONE_IN);
      const bytes = noise
        ? random.bytes(random.below(96))
        : mutate(random.pick(parser.seeds), random);
      parserOf.set(bytes, parser);
      return bytes;
    },
    async check(bytes) {
      const parser = parserOf.get(bytes);
      try {
        await parser?.parse(bytes);
      } catch (error) {
        if (!isTold(error)) throw new Error(`${parser?.name}: ${error}`, { cause: error });
      }
    },
  };
}
