import type { Scenario } from './scenario.ts';
import { killNode } from './scenarios/kill-node.ts';
import { modelHangs } from './scenarios/model-hangs.ts';
import { poison } from './scenarios/poison.ts';
import { reload } from './scenarios/reload.ts';
import { sigterm } from './scenarios/sigterm.ts';
import { workerKilled } from './scenarios/worker-killed.ts';

/** Every scenario, in the order in which they run. */
export const SCENARIOS: readonly Scenario[] = [
  killNode,
  sigterm,
  reload,
  workerKilled,
  modelHangs,
  poison,
];
