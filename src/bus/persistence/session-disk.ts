import { createHash } from 'node:crypto';
import type { Clock } from '../../std/clock.ts';
import { LedgeError } from '../../std/error.ts';
import type { Store, Write } from '../../store/store.ts';

/** How soon a change that the store had no room for is tried again. */
const RETRY_MS = 200;

/** The store as the sessions use it; without one, everything lasts as long as the process. */
export interface SessionDisk {
  readonly lasting: boolean;
  /** Whether the disk takes writes, as far as is known. */
  readonly ready: boolean;
  /** Fails where the store has no room, with nothing changed. */
  write(writes: readonly Write[]): Promise<void>;
  /** Tries until it is done; never settles once the store is closed. */
  insist(writes: readonly Write[]): Promise<void>;
  get(key: string): Promise<Uint8Array | undefined>;
  entries(prefix: string): AsyncIterable<readonly [string, Uint8Array]>;
  /** Puts a value that does not parse where nothing reads it. */
  setAside(key: string, value: Uint8Array): void;
  flush(): Promise<void>;
}

/** Wraps the store, or nothing. */
export function createSessionDisk(store: Store | undefined, clock: Clock): SessionDisk {
  if (store === undefined) return MEMORY;

  async function insist(writes: readonly Write[]): Promise<void> {
    for (;;) {
      try {
        await store?.write(writes);
        return;
      } catch (error) {
        if (error instanceof LedgeError && error.code === 'closed') await never();
        await new Promise<void>((resolve) => clock.after(RETRY_MS, resolve));
      }
    }
  }

  return {
    lasting: true,
    get ready() {
      return store.state === 'open';
    },
    write: (writes) => store.write(writes),
    insist,
    get: (key) => store.get(key),
    entries: (prefix) => store.entries(prefix),
    setAside(key, value) {
      void insist([
        { kind: 'put', key: `damaged/${key}`, value },
        { kind: 'delete', key },
      ]);
    },
    flush: () => store.flush().catch(() => undefined),
  };
}

const MEMORY: SessionDisk = {
  lasting: false,
  ready: true,
  write: () => Promise.resolve(),
  insist: () => Promise.resolve(),
  get: () => Promise.resolve(undefined),
  async *entries() {},
  setAside: () => undefined,
  flush: () => Promise.resolve(),
};

function never(): Promise<never> {
  return new Promise(() => undefined);
}

/** The name of a client or topic in keys: any text becomes 43 characters that sort and fit. */
export function keyOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

/** Where each part of a session lies. */
export const KEYS = {
  session: (key: string) => `sessions/meta/${key}`,
  entry: (key: string, seq: number) => `sessions/queue/${key}/${String(seq).padStart(16, '0')}`,
  received: (key: string, id: number) => `sessions/received/${key}/${String(id).padStart(5, '0')}`,
  will: (key: string) => `sessions/will/${key}`,
  retained: (key: string) => `retained/${key}`,
} as const;
