import { join } from 'node:path';
import type { Teardown } from '../std/teardown.ts';
import { openStore } from '../store/database.ts';
import { type Journal, openJournal } from '../store/journal.ts';
import type { Quarantined, Store } from '../store/store.ts';
import type { NodeConfig } from './config.ts';
import type { Log } from './log.ts';
import { openReplayTrial, type ReplayTrial } from './replay-trial.ts';

/**
 * How long other writes than the journal's gather: of sessions and the outbox, whose results wait for
 * them. An event of the journal can wait longer, because most are done before it is over.
 */
const STORE_BATCH_MS_MAX = 2;

/** What the node keeps on disk, and the journal in it. */
export interface Kept {
  readonly store: Store;
  readonly journal: Journal;
  readonly trial: ReplayTrial;
}

/** Opens the store under the data folder, whatever state it is in, and says what became of it. */
export async function openKept(
  config: Pick<NodeConfig, 'data' | 'journal'>,
  { log, teardown }: { readonly log: Log; readonly teardown: Teardown },
): Promise<Kept> {
  const { sync, batchMs, eventsMax, bytesMax } = config.journal;
  const tellDamage = ({ path, reason }: Quarantined): void =>
    log.error('Set aside what was damaged in the store', { path, reason });
  const store = await openStore({
    folder: join(config.data, 'store'),
    sync,
    batchMs: Math.min(batchMs, STORE_BATCH_MS_MAX),
    onQuarantined: tellDamage,
  });
  store.quarantined.forEach(tellDamage);
  teardown.add('the store', () => store[Symbol.asyncDispose]());
  store.onState((state) => {
    if (state === 'open') log.warn('The disk takes writes again', { folder: config.data });
    else {
      log.error('The disk takes no writes: publishers of QoS 1 and 2 are held back', {
        folder: config.data,
        error: store.problem?.message ?? '',
      });
    }
  });
  const journal = await openJournal(store, {
    eventsMax,
    bytesMax,
    gatherMs: sync === 'always' ? 0 : batchMs,
    onDamaged: (key, error) =>
      log.error('Set aside an entry of the journal that cannot be read', {
        key,
        error: String(error),
      }),
  });
  const trial = await openReplayTrial(store);
  teardown.add('the replay of the journal', () => trial.close());
  return { store, journal, trial };
}
