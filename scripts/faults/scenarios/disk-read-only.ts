import { join } from 'node:path';
import type { Scenario } from '../scenario.ts';
import { runOnBreakingDisk } from '../toolbox/broken-disk.ts';
import { createReadOnlyDisk, readOnlyDiskMissing } from '../toolbox/read-only-disk.ts';

/** The data folder becomes read-only, as a failing card does, and writable again. */
export const diskReadOnly: Scenario = {
  name: 'disk-read-only',
  summary: 'the data folder is read-only for a while: no acknowledgement, told, goes on after',
  missing: readOnlyDiskMissing,
  run(stage) {
    const data = join(stage.folder, 'data');
    const disk = createReadOnlyDisk(stage.folder, data);
    return runOnBreakingDisk(stage, {
      rig: { data, env: disk.env },
      breakDown: () => disk.protect(),
      mend: () => disk.release(),
    });
  },
};
