import type { Scenario } from '../scenario.ts';
import { tearFile } from '../toolbox/damage.ts';
import { runOnDamagedStore } from '../toolbox/damaged-store.ts';

/** Files of the store cut off while the node is down. */
export const tornStore: Scenario = {
  name: 'torn-store',
  summary: 'a file of the store is cut off while the node is down: opens, says what is lost',
  run: (stage) => runOnDamagedStore(stage, (path) => tearFile(path, stage.random)),
};
