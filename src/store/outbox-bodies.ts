import type { Entry } from './outbox-index.ts';

/** Bodies of messages that came a moment ago. */
export interface Bodies {
  /** Keeps a body as long as there is room. */
  keep(entry: Entry, body: Uint8Array): void;
  /** Gives a body and forgets it. */
  take(entry: Entry): Uint8Array | undefined;
}

/** Creates a bounded memory of bodies. */
export function createBodies(bytesMax: number): Bodies {
  const bodies = new Map<Entry, Uint8Array>();
  let bytes = 0;
  return {
    keep(entry, body) {
      if (bytes + body.byteLength > bytesMax) return;
      bodies.set(entry, body);
      bytes += body.byteLength;
    },
    take(entry) {
      const body = bodies.get(entry);
      if (body === undefined) return undefined;
      bodies.delete(entry);
      bytes -= body.byteLength;
      return body;
    },
  };
}
