/** A broker that restarts is back within a second or two; trying at once would only fail. */
export const RECONNECT_MS_MIN = 250;
/** A node whose broker was away for hours is back within half a minute of it. */
export const RECONNECT_MS_MAX = 30_000;
/** For the attempt with the other protocol version: nothing is gained by waiting. */
const FALLBACK_MS = 10;
/** A broker that refuses the credentials will do so again: asking often looks like an attack. */
export const REFUSED_MS_MIN = 5_000;
/** A password that was mended at the broker is tried within a minute. */
export const REFUSED_MS_MAX = 60_000;
/** A broker that spoke MQTT 5 before is asked so often for it again before it gets the other. */
const HANG_UPS_MAX = 5;

/** CONNACK codes that say that the broker does not speak this version: of MQTT 3.1.1, of MQTT 5. */
const VERSION_REFUSED: readonly number[] = [0x01, 0x84];
/** CONNACK codes that refuse who asks: of MQTT 3.1.1, of MQTT 5. */
const CREDENTIALS_REFUSED: readonly number[] = [0x04, 0x05, 0x86, 0x87, 0x8a, 0x8c];

/** The versions of MQTT a client speaks, by their number in CONNECT. */
export type ProtocolVersion = 4 | 5;

/** How one attempt to connect ended. */
export interface AttemptEnd {
  /** Whether the connection below MQTT was open. */
  readonly opened: boolean;
  /** The code of the broker's CONNACK; undefined: none came. */
  readonly connackCode: number | undefined;
  /** Whether the connection was of use; a broker that hangs up at once is not asked faster for it. */
  readonly fruitful?: boolean;
}

/** What to try next, and when. */
export interface NextAttempt {
  readonly version: ProtocolVersion;
  readonly delayMs: number;
  /** `fallback`: the other version at once; nothing is wrong yet. `credentials`: they are refused. */
  readonly reason: 'backoff' | 'fallback' | 'credentials';
}

/** What is not left to the attempts. */
export interface AttemptsOptions {
  /** The one version to speak. */
  readonly only?: '5' | '3.1.1' | undefined;
  readonly backoffMsMax?: number | undefined;
}

/**
 * Decides how to come back to a broker: exponential backoff with jitter from half to all of it, and
 * MQTT 3.1.1 where the broker refuses MQTT 5. A broker that says so is believed for good; one that only
 * hung up on a CONNECT is asked again with the other version each time, after a few attempts where it
 * spoke MQTT 5 before.
 */
export function createAttempts(
  random: () => number,
  { only, backoffMsMax = RECONNECT_MS_MAX }: AttemptsOptions = {},
): { after(end: AttemptEnd): NextAttempt } {
  let version: ProtocolVersion = only === '3.1.1' ? 4 : 5;
  let believed = only !== undefined;
  let failures = 0;
  let refusals = 0;
  /** Hang-ups that are still taken for a fault of the connection, not of the version. */
  let patience = 0;

  function wait(msMin: number, msMax: number, before: number): number {
    const whole = Math.min(msMax, msMin * 2 ** Math.min(before, 16));
    return Math.round(whole * (0.5 + random() / 2));
  }

  function backoff(): NextAttempt {
    const delayMs = wait(Math.min(RECONNECT_MS_MIN, backoffMsMax), backoffMsMax, failures);
    failures += 1;
    return { version, delayMs, reason: 'backoff' };
  }

  function accepted(fruitful: boolean): NextAttempt {
    refusals = 0;
    if (fruitful) failures = 0;
    if (version === 5) patience = HANG_UPS_MAX;
    if (!believed) version = 5;
    return backoff();
  }

  function refused(code: number): NextAttempt {
    if (version === 5 && !believed && VERSION_REFUSED.includes(code)) {
      version = 4;
      believed = true;
      return { version, delayMs: FALLBACK_MS, reason: 'fallback' };
    }
    if (!CREDENTIALS_REFUSED.includes(code)) return backoff();
    const delayMs = wait(REFUSED_MS_MIN, REFUSED_MS_MAX, refusals);
    refusals += 1;
    return { version, delayMs, reason: 'credentials' };
  }

  return {
    after({ opened, connackCode, fruitful = true }) {
      if (connackCode === 0) return accepted(fruitful);
      if (connackCode !== undefined) return refused(connackCode);
      if (!opened || believed) return backoff();
      if (patience > 0) {
        patience -= 1;
        return backoff();
      }
      version = version === 5 ? 4 : 5;
      if (version === 4) return { version, delayMs: FALLBACK_MS, reason: 'fallback' };
      return backoff();
    },
  };
}
