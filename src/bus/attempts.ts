/** A broker that restarts is back within a second or two; trying at once would only fail. */
export const RECONNECT_MS_MIN = 250;
/** A node whose broker was away for hours is back within half a minute of it. */
export const RECONNECT_MS_MAX = 30_000;
/** For the attempt with the other protocol version: nothing is gained by waiting. */
const FALLBACK_MS = 10;

/** CONNACK codes that say that the broker does not speak this version: of MQTT 3.1.1, of MQTT 5. */
const VERSION_REFUSED: readonly number[] = [0x01, 0x84];

/** The versions of MQTT a client speaks, by their number in CONNECT. */
export type ProtocolVersion = 4 | 5;

/** How one attempt to connect ended. */
export interface AttemptEnd {
  /** Whether the connection below MQTT was open. */
  readonly opened: boolean;
  /** The code of the broker's CONNACK; undefined: none came. */
  readonly connackCode: number | undefined;
}

/** What to try next, and when. */
export interface NextAttempt {
  readonly version: ProtocolVersion;
  readonly delayMs: number;
  /** `fallback`: the other version at once; nothing is wrong yet. */
  readonly reason: 'backoff' | 'fallback';
}

/**
 * Decides how to come back to a broker: exponential backoff with jitter from half to all of it, and
 * MQTT 3.1.1 where the broker refuses MQTT 5. A broker that says so is believed for good; one that only
 * hung up on a CONNECT is asked again with the other version each time.
 */
export function createAttempts(random: () => number): { after(end: AttemptEnd): NextAttempt } {
  let version: ProtocolVersion = 5;
  let believed = false;
  let failures = 0;

  function backoff(): NextAttempt {
    const whole = Math.min(RECONNECT_MS_MAX, RECONNECT_MS_MIN * 2 ** Math.min(failures, 16));
    failures += 1;
    return { version, delayMs: Math.round(whole * (0.5 + random() / 2)), reason: 'backoff' };
  }

  return {
    after({ opened, connackCode }) {
      if (connackCode === 0) {
        failures = 0;
        if (!believed) version = 5;
        return backoff();
      }
      if (connackCode !== undefined) {
        if (version === 5 && VERSION_REFUSED.includes(connackCode)) {
          version = 4;
          believed = true;
          return { version, delayMs: FALLBACK_MS, reason: 'fallback' };
        }
        return backoff();
      }
      if (opened && !believed) {
        version = version === 5 ? 4 : 5;
        if (version === 4) return { version, delayMs: FALLBACK_MS, reason: 'fallback' };
      }
      return backoff();
    },
  };
}
