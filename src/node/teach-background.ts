import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rungsOf } from '../models/manifest.ts';
import { LedgeError } from '../std/error.ts';
import { createBackground } from '../teach/background.ts';
import { type Moments, momentsOf } from '../teach/moments.ts';
import { readTaught, writeBackground } from '../teach/versions.ts';
import { openFeatures } from './features.ts';
import { type Example, openLessons } from './lessons.ts';
import type { Bench } from './record-runs.ts';
import { groupByLabel } from './teach-file.ts';

export interface BackgroundOptions extends Bench {
  readonly folder: string;
  /** Events of the known labels, as many as there are. */
  readonly events: readonly Example[];
}

/**
 * Learns what events of the known labels look like to a flow's model, and keeps their moments with the
 * flow, so that new labels are told from them without the events. Gives the events of each label, as
 * the model hears them. Throws `unsupported`, `value-invalid`, `data-unwritable`.
 */
export async function relearnBackground(
  options: BackgroundOptions,
): Promise<Readonly<Record<string, number>>> {
  const { folder, events, pool } = options;
  const { base } = await readTaught(folder);
  const known = base.labels ?? [];
  const scratch = await mkdtemp(join(tmpdir(), 'ledge-teach-'));
  const counts: Record<string, number> = {};
  try {
    await using lessons = await openLessons(folder, options);
    const shown = await lessons.examples(events);
    if (shown.length === 0) {
      throw new LedgeError('value-invalid', 'Cannot learn a background: there are no events');
    }
    for (const { file, sha256 } of rungsOf(base)) {
      const given = { pool, file: join(folder, file), labels: known.length, scratch };
      await using reader = await openFeatures(given);
      const groups = await groupByLabel(reader, shown, known);
      const moments = new Map<string, Moments>();
      for (const [label, rows] of groups) {
        counts[label] = rows.length;
        moments.set(label, momentsOf(rows));
      }
      await writeBackground(folder, createBackground(sha256, moments));
    }
    return counts;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
