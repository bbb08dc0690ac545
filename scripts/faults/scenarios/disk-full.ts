import { join } from 'node:path';
import type { Scenario } from '../scenario.ts';
import { runOnBreakingDisk } from '../toolbox/broken-disk.ts';
import { createSmallDisk, smallDiskMissing } from '../toolbox/small-disk.ts';

const DISK_BYTES = 64 * 1024 * 1024;

/** The disk under the data folder is full, and somebody makes room. */
export const diskFull: Scenario = {
  name: 'disk-full',
  summary: 'the disk is full for a while (tmpfs): no acknowledgement, told, goes on with room',
  missing: smallDiskMissing,
  run(stage) {
    const disk = createSmallDisk(join(stage.folder, 'disk'), DISK_BYTES);
    stage.defer(() => disk.remove());
    return runOnBreakingDisk(stage, {
      rig: { data: join(disk.folder, 'data') },
      breakDown: () => disk.fill(),
      mend: () => disk.clear(),
    });
  },
};
