import { LedgeError } from '../std/error.ts';

/** How often a connection is looked at. */
const LOOK_MS = 250;
/** A slow link gets the time that its payloads need at 128 kbit/s. */
const BYTES_PER_SECOND_MIN = 16 * 1024;

/** Packets in which a broker says that it works on what it was sent. */
const SIGNS: ReadonlySet<string> = new Set([
  'connack',
  'puback',
  'pubrec',
  'pubcomp',
  'suback',
  'unsuback',
]);

interface StallWatchOptions {
  /** Undefined: nothing is watched. */
  readonly ackSeconds: number | undefined;
  inFlight(): { readonly messages: number; readonly bytes: number };
  cut(error: LedgeError): void;
}

/** Cuts a connection on which messages wait and no acknowledgement comes. */
export interface StallWatch {
  /** A packet of this kind came. */
  hear(kind: string | undefined): void;
  close(): void;
}

/** Creates the watch of one client; it looks at whatever connection there is. */
export function createStallWatch(options: StallWatchOptions): StallWatch {
  const { ackSeconds, inFlight, cut } = options;
  let heardAt = performance.now();
  let timer: NodeJS.Timeout | undefined;

  function look(): void {
    const { messages, bytes } = inFlight();
    const now = performance.now();
    if (messages === 0) {
      heardAt = now;
      return;
    }
    const allowedMs = ((ackSeconds ?? 0) + bytes / BYTES_PER_SECOND_MIN) * 1e3;
    if (now - heardAt <= allowedMs) return;
    heardAt = now;
    const waited = Math.round(allowedMs / 1e3);
    cut(new LedgeError('timeout', `it acknowledged nothing for ${waited} s`, { retriable: true }));
  }

  if (ackSeconds !== undefined) timer = setInterval(look, LOOK_MS).unref();
  return {
    hear(kind) {
      if (kind !== undefined && SIGNS.has(kind)) heardAt = performance.now();
    },
    close: () => clearInterval(timer),
  };
}
