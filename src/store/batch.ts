import type { Write } from './store.ts';

/** What a key and its place in the maps cost beside the value. */
const ENTRY_BYTES = 128;

/** Changes that go to disk together; later ones replace earlier ones of the same key. */
export interface Batch {
  /** The value a key will have; undefined where it will be deleted. */
  readonly changes: ReadonlyMap<string, Uint8Array | undefined>;
  readonly bytes: number;
  /** When the first change came, on the monotonic clock. */
  readonly sinceMs: number;
  /** Settles with the batch; the same for every write in it. */
  readonly written: Promise<void>;
  add(writes: readonly Write[]): void;
  resolve(): void;
  reject(error: unknown): void;
}

/** An empty batch. */
export function createBatch(): Batch {
  const changes = new Map<string, Uint8Array | undefined>();
  // Keys whose value nobody else can have written: deleted again, they need not be told to the disk.
  const fresh = new Set<string>();
  let bytes = 0;
  let sinceMs = 0;
  let resolve: () => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const written = new Promise<void>((done, fail) => {
    resolve = done;
    reject = fail;
  });
  // Whoever waits for the batch sees its failure; a batch nobody waits for is no fault.
  written.catch(() => undefined);

  function forget(key: string): void {
    if (!changes.has(key)) return;
    bytes -= bytesOf(key, changes.get(key));
    changes.delete(key);
  }

  function set(key: string, value: Uint8Array | undefined): void {
    forget(key);
    changes.set(key, value);
    bytes += bytesOf(key, value);
  }

  return {
    changes,
    written,
    get bytes() {
      return bytes;
    },
    get sinceMs() {
      return sinceMs;
    },
    add(writes) {
      if (changes.size === 0) sinceMs = performance.now();
      for (const write of writes) {
        if (write.kind === 'put') {
          if (write.fresh === true && !changes.has(write.key)) fresh.add(write.key);
          set(write.key, write.value);
        } else if (fresh.delete(write.key)) forget(write.key);
        else set(write.key, undefined);
      }
    },
    resolve: () => resolve(),
    reject: (error) => reject(error),
  };
}

/** What writes will take in memory until they are on disk. */
export function bytesOfWrites(writes: readonly Write[]): number {
  let sum = 0;
  for (const write of writes) {
    sum += bytesOf(write.key, write.kind === 'put' ? write.value : undefined);
  }
  return sum;
}

function bytesOf(key: string, value: Uint8Array | undefined): number {
  return ENTRY_BYTES + key.length + (value?.byteLength ?? 0);
}
