import type { Scenario } from '../scenario.ts';
import { flipBits } from '../toolbox/damage.ts';
import { runOnDamagedStore } from '../toolbox/damaged-store.ts';

const BITS = 4;

/** Bits of the store's files turned over while the node is down. */
export const bitFlip: Scenario = {
  name: 'bit-flip',
  summary: 'bits of the store are turned over while the node is down: opens, says what is lost',
  run: (stage) =>
    runOnDamagedStore(stage, (path) => flipBits(path, { random: stage.random, count: BITS })),
};
