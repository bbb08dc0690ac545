import type { Clock } from '../../std/clock.ts';

/** Wrong logins of one name that cost nothing: a person who mistypes. */
const FREE_FAILURES = 5;
const FIRST_PAUSE_MS = 1_000;
/** A minute: what a mended device waits at most; a guesser has 1,440 tries a day. */
const PAUSE_MS_MAX = 60_000;
/** An address without a wrong login for so long starts afresh. */
const FORGET_MS = 15 * 60 * 1000;
/** Names told apart per address: devices behind one router; further ones share a place. */
const NAMES_MAX = 16;
/** Addresses remembered, some 200 bytes each; the one that failed longest ago makes room. */
const ADDRESSES_MAX = 1_024;

/** Place of the names beyond NAMES_MAX; no name is as long. */
const OTHERS = 'x'.repeat(256);

interface Failures {
  count: number;
  until: number;
}

export interface LoginBackOff {
  /** Milliseconds that logins of this name from this address are refused for; 0: come in. */
  pauseMs(address: string, name: string): number;
  /** Counts a wrong login; gives the pause that follows in milliseconds, 0 for the first few. */
  failed(address: string, name: string): number;
  /** A right login forgets the wrong ones of this name. */
  succeeded(address: string, name: string): void;
  readonly size: number;
}

/**
 * Slows down who guesses passwords: after a few wrong logins of a name from an address every further
 * one doubles a pause. Counted by name too, so that one device with an old password does not lock out
 * the others behind its address; names without end share a pause, so that trying names is no way round.
 */
export function createLoginBackOff(clock: Clock): LoginBackOff {
  const addresses = new Map<string, { names: Map<string, Failures>; at: number }>();

  function namesOf(address: string): Map<string, Failures> | undefined {
    const known = addresses.get(address);
    if (known === undefined) return undefined;
    if (clock.now() - known.at <= FORGET_MS) return known.names;
    addresses.delete(address);
    return undefined;
  }

  const placeOf = (names: ReadonlyMap<string, Failures>, name: string) =>
    names.has(name) || names.size < NAMES_MAX ? name : OTHERS;

  return {
    get size() {
      return addresses.size;
    },
    pauseMs(address, name) {
      const names = namesOf(address);
      const failures = names?.get(placeOf(names, name));
      return failures === undefined ? 0 : Math.max(0, failures.until - clock.now());
    },
    failed(address, name) {
      const names = namesOf(address) ?? new Map<string, Failures>();
      const [oldest] = addresses.keys();
      if (!addresses.has(address) && addresses.size >= ADDRESSES_MAX && oldest !== undefined) {
        addresses.delete(oldest);
      }
      addresses.delete(address);
      addresses.set(address, { names, at: clock.now() });
      const place = placeOf(names, name);
      const failures = names.get(place) ?? { count: 0, until: 0 };
      names.set(place, failures);
      failures.count += 1;
      const doubled = failures.count - FREE_FAILURES;
      if (doubled <= 0) return 0;
      const pauseMs = Math.min(PAUSE_MS_MAX, FIRST_PAUSE_MS * 2 ** Math.min(doubled - 1, 30));
      failures.until = clock.now() + pauseMs;
      return pauseMs;
    },
    succeeded(address, name) {
      const names = namesOf(address);
      if (names?.has(name) !== true) return;
      names.delete(name);
      if (names.size === 0) addresses.delete(address);
    },
  };
}
