import type { Scenario } from './scenario.ts';
import { killNode } from './scenarios/kill-node.ts';

/** Every scenario, in the order in which they run. */
export const SCENARIOS: readonly Scenario[] = [killNode];
