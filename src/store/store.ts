/** One change of the store. Keys are text; within an area they sort as text. */
export type Write =
  | {
      readonly kind: 'put';
      readonly key: string;
      readonly value: Uint8Array;
      /** The key was never used before: deleted while it still waits, nothing of it reaches the disk. */
      readonly fresh?: true;
    }
  | { readonly kind: 'delete'; readonly key: string };

/** `failing`: the disk is full or read-only; writes wait and are tried again until it is not. */
export type StoreState = 'open' | 'failing';

/** What of the store's files could not be read, and was set aside when it was opened. */
export interface Quarantined {
  /** The file or folder that holds what was set aside. */
  readonly path: string;
  readonly reason: string;
}

/**
 * The one place on disk for what must last: journal, outbox, ledger and broker sessions, each under an
 * area of keys of its own (`journal/`, `outbox/`, `ledger/`, `sessions/`).
 */
export interface Store extends AsyncDisposable {
  readonly state: StoreState;
  /** Why the last write failed, while the state is `failing`. */
  readonly problem: Error | undefined;
  readonly quarantined: readonly Quarantined[];
  onState(listener: (state: StoreState) => void): () => void;
  /**
   * Queues changes that are made together or not at all, in the order of the calls. Resolves once they
   * are on disk, as the sync mode understands it: after the fsync that covers them (`always`: one each;
   * `batch`: one for all that came within a few milliseconds), or once the system has them (`off`).
   * While the disk is full they wait. Fails with `overflow` over the limit of what may wait (retriable)
   * and with `closed` after disposal.
   */
  write(writes: readonly Write[]): Promise<void>;
  /** The value on disk or still queued. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** Everything under a prefix in the order of keys, with what is still queued. */
  entries(prefix: string, options?: RangeOptions): AsyncIterable<readonly [string, Uint8Array]>;
  /** Resolves when everything queued before the call is on disk. */
  flush(): Promise<void>;
}

export interface RangeOptions {
  /** Begins after this key. */
  readonly after?: string;
  readonly limit?: number;
}
