import type { Scenario } from './scenario.ts';
import { bitFlip } from './scenarios/bit-flip.ts';
import { clockStep } from './scenarios/clock-step.ts';
import { crashLoop } from './scenarios/crash-loop.ts';
import { diskFull } from './scenarios/disk-full.ts';
import { diskReadOnly } from './scenarios/disk-read-only.ts';
import { externalBroker } from './scenarios/external-broker.ts';
import { killNode } from './scenarios/kill-node.ts';
import { killNodeQos2 } from './scenarios/kill-node-qos2.ts';
import { modelHangs } from './scenarios/model-hangs.ts';
import { poison } from './scenarios/poison.ts';
import { reload } from './scenarios/reload.ts';
import { sigterm } from './scenarios/sigterm.ts';
import { soak } from './scenarios/soak.ts';
import { tornStore } from './scenarios/torn-store.ts';
import { uplinkCut } from './scenarios/uplink-cut.ts';
import { uplinkDown } from './scenarios/uplink-down.ts';
import { uplinkEmpty } from './scenarios/uplink-empty.ts';
import { uplinkFrozen } from './scenarios/uplink-frozen.ts';
import { uplinkKill } from './scenarios/uplink-kill.ts';
import { uplinkStopped } from './scenarios/uplink-stopped.ts';
import { workerKilled } from './scenarios/worker-killed.ts';

/** Every scenario, in the order in which they run. */
export const SCENARIOS: readonly Scenario[] = [
  killNode,
  killNodeQos2,
  sigterm,
  externalBroker,
  reload,
  workerKilled,
  modelHangs,
  poison,
  crashLoop,
  diskFull,
  diskReadOnly,
  tornStore,
  bitFlip,
  clockStep,
  uplinkStopped,
  uplinkEmpty,
  uplinkFrozen,
  uplinkCut,
  uplinkKill,
  uplinkDown,
  soak,
];
