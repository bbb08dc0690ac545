import { createHmac, randomBytes } from 'node:crypto';
import type { Clock } from '../../std/clock.ts';
import { hashPassword, verifyPassword } from './password.ts';

/** Hashes at a time: the other threads of the pool belong to the disk, and each takes 16 MiB. */
const AT_ONCE_MAX = 2;
/** Logins that wait for their turn: a minute of hashing on a small board; one more is told to retry. */
const WAITING_MAX = 128;
/** Logins that are remembered: each client of a site once, 100 bytes each. */
const REMEMBERED_MAX = 4_096;
/** A day: a device that reconnects more often than that costs a hash once a day. */
const REMEMBERED_MS = 24 * 60 * 60 * 1000;

/** `busy`: too many wait; nothing is known of the password. */
export type Verification = 'right' | 'wrong' | 'busy';

export interface Verifier {
  /** Judges a password against a stored one; undefined for a user that does not exist. */
  verify(password: string, stored: string | undefined): Promise<Verification>;
  /** Hashes that were computed so far. */
  readonly hashes: number;
}

/**
 * Creates a verifier that hashes a password once, and knows it again by a keyed digest: a thousand
 * devices that reconnect at once cost no thousand hashes. The key lives as long as the process, and a
 * changed stored password is another digest. A user that does not exist takes as long as a wrong one.
 */
export function createVerifier(clock: Clock): Verifier {
  const key = randomBytes(32);
  const right = new Map<string, number>();
  const pending = new Map<string, Promise<Verification>>();
  const waiting: Array<() => void> = [];
  let running = 0;
  let hashes = 0;
  let nobody: Promise<string> | undefined;

  async function turn(): Promise<void> {
    if (running >= AT_ONCE_MAX) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
  }

  function leave(): void {
    const next = waiting.shift();
    if (next === undefined) running -= 1;
    else next();
  }

  async function compute(password: string, stored: string | undefined): Promise<Verification> {
    await turn();
    try {
      hashes += 1;
      nobody ??= hashPassword(randomBytes(16).toString('hex'));
      const fits = await verifyPassword(password, stored ?? (await nobody));
      return fits && stored !== undefined ? 'right' : 'wrong';
    } finally {
      leave();
    }
  }

  function remember(digest: string): void {
    right.delete(digest);
    const [oldest] = right.keys();
    if (right.size >= REMEMBERED_MAX && oldest !== undefined) right.delete(oldest);
    right.set(digest, clock.now() + REMEMBERED_MS);
  }

  return {
    get hashes() {
      return hashes;
    },
    async verify(password, stored) {
      const digest = createHmac('sha256', key)
        .update(`${stored ?? ''}\0${password}`)
        .digest('base64');
      const until = right.get(digest);
      if (until !== undefined && until > clock.now()) return 'right';
      const known = pending.get(digest);
      if (known !== undefined) return known;
      if (waiting.length >= WAITING_MAX) return 'busy';
      const result = compute(password, stored);
      pending.set(digest, result);
      try {
        const verification = await result;
        if (verification === 'right') remember(digest);
        return verification;
      } finally {
        pending.delete(digest);
      }
    },
  };
}
