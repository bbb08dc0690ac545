import { decodeMsgpack, encodeMsgpack } from '../std/msgpack.ts';
import { z } from '../std/schema.ts';
import type { Store } from '../store/store.ts';

const KEY = 'replay/trial';
/** Earlier starts that ended amid their replay; after so many, events of the journal go one at a time. */
const STARTS_MAX = 2;
/** Once may be anybody's power cut at an unlucky moment, and thrice is the event. */
const ENDS_MAX = 3;
/** Events that are remembered as having been at work when the process ended. */
const SUSPECTS_MAX = 100;
/** A flow may hold an event for those that follow: the next one has its turn after this time. */
const ALONE_MS_MAX = 30_000;

const stateSchema = z.strictObject({
  starts: z.int().min(0),
  /** The event at work alone. */
  alone: z.string().optional(),
  /** How often the process ended with an event at work alone. */
  ends: z.array(z.tuple([z.string(), z.int().min(1)])).max(SUSPECTS_MAX),
});

type TrialState = z.infer<typeof stateSchema>;

/**
 * Finds the event of the journal that ends the process whenever it is worked on: a native library that
 * crashes cannot be caught, and the event would come again at every start.
 */
export interface ReplayTrial {
  /** A flow begins its replay; resolves once that is on disk. */
  begin(): Promise<void>;
  /** A flow has offered all events of its replay. */
  end(): void;
  /** Resolves when an event may be offered; `give-up`: it has ended the process too often. */
  admit(id: string): Promise<'try' | 'give-up'>;
  /** What became of an admitted event is handed over. */
  settled(id: string): void;
  /** The node stops in order: nothing ended the process. */
  close(): Promise<void>;
}

/** Reads how earlier starts ended. */
export async function openReplayTrial(store: Store): Promise<ReplayTrial> {
  const before = stateOf(await store.get(KEY));
  const cautious = before.starts >= STARTS_MAX;
  const ends = new Map(before.ends);
  if (before.alone !== undefined) ends.set(before.alone, (ends.get(before.alone) ?? 0) + 1);
  let alone: string | undefined;
  let replays = 0;
  /** Whether this start is counted on disk. */
  let counted: Promise<void> | undefined;
  /** What to call when an admitted event is done. */
  const admitted = new Map<string, () => void>();
  let turn: Promise<void> = Promise.resolve();
  let closed = false;

  /** A store that takes no writes or is closed must not keep the events from being worked on. */
  function save(starts: number): Promise<void> {
    const state = { starts, ends: [...ends].slice(-SUSPECTS_MAX) };
    const value = encodeMsgpack(alone === undefined ? state : { ...state, alone });
    return store.write([{ kind: 'put', key: KEY, value }]).catch(nothing);
  }

  function forget(): Promise<void> {
    ends.clear();
    counted = undefined;
    return store.write([{ kind: 'delete', key: KEY }]).catch(nothing);
  }

  function forgetIfSurvived(): void {
    if (replays === 0 && admitted.size === 0 && counted !== undefined) void forget();
  }

  async function admitAlone(id: string): Promise<'try' | 'give-up'> {
    const before = turn;
    let release: () => void = nothing;
    turn = new Promise((resolve) => {
      release = resolve;
    });
    await before;
    const verdict = (ends.get(id) ?? 0) < ENDS_MAX ? 'try' : 'give-up';
    if (verdict === 'give-up') ends.delete(id);
    alone = verdict === 'try' ? id : undefined;
    if (!closed) await save(STARTS_MAX);
    if (verdict === 'give-up') {
      release();
      return verdict;
    }
    const late = setTimeout(release, ALONE_MS_MAX);
    admitted.set(id, () => {
      clearTimeout(late);
      ends.delete(id);
      release();
    });
    return verdict;
  }

  return {
    begin() {
      replays += 1;
      counted ??= save(Math.min(before.starts + 1, STARTS_MAX));
      return counted;
    },
    end() {
      replays -= 1;
      forgetIfSurvived();
    },
    async admit(id) {
      if (cautious && !closed) return admitAlone(id);
      admitted.set(id, nothing);
      return 'try';
    },
    settled(id) {
      admitted.get(id)?.();
      admitted.delete(id);
      forgetIfSurvived();
    },
    async close() {
      closed = true;
      for (const done of admitted.values()) done();
      if (counted !== undefined) await forget();
    },
  };
}

function stateOf(value: Uint8Array | undefined): TrialState {
  try {
    if (value !== undefined) return stateSchema.parse(decodeMsgpack(value));
  } catch {
    // Damaged: as if every start had gone well.
  }
  return { starts: 0, ends: [] };
}

function nothing(): void {}
