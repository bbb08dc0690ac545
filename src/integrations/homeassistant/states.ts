import type { Clock } from '../../std/clock.ts';
import { decodeMsgpack } from '../../std/msgpack.ts';

/** A result larger than this is not what an entity shows. */
const STATE_BYTES_MAX = 65_536;

/** The last result of each device, published at a pace that a recorder can keep. */
export interface States {
  /** Takes a result; the first at once, further ones of the device after the interval, the last only. */
  take(topic: string, payload: Uint8Array, encoding: 'json' | 'msgpack'): void;
  /** The last text of a topic. */
  last(topic: string): string | undefined;
  forget(topic: string): void;
  close(): void;
}

interface Entry {
  text: string | undefined;
  waiting: { payload: Uint8Array; encoding: 'json' | 'msgpack' } | undefined;
  cancel: (() => void) | undefined;
}

export interface StatesOptions {
  readonly clock: Clock;
  readonly intervalMs: number;
  publish(topic: string, text: string): void;
  /** A result that no entity can show. */
  onRefused(topic: string, reason: string): void;
}

/** Creates the states; the caller bounds the topics. */
export function createStates({ clock, intervalMs, publish, onRefused }: StatesOptions): States {
  const entries = new Map<string, Entry>();

  function show(topic: string, entry: Entry): void {
    const { waiting } = entry;
    entry.waiting = undefined;
    entry.cancel = undefined;
    if (waiting === undefined) return;
    const text = textOf(waiting.payload, waiting.encoding);
    if (text === undefined)
      return onRefused(topic, 'it is too large, or no text can be made of it');
    entry.text = text;
    publish(topic, text);
    if (intervalMs > 0) entry.cancel = clock.after(intervalMs, () => show(topic, entry));
  }

  return {
    take(topic, payload, encoding) {
      const entry = entries.get(topic) ?? {
        text: undefined,
        waiting: undefined,
        cancel: undefined,
      };
      entries.set(topic, entry);
      entry.waiting = { payload, encoding };
      if (entry.cancel === undefined) show(topic, entry);
    },
    last: (topic) => entries.get(topic)?.text,
    forget(topic) {
      entries.get(topic)?.cancel?.();
      entries.delete(topic);
    },
    close() {
      for (const { cancel } of entries.values()) cancel?.();
      entries.clear();
    },
  };
}

function textOf(payload: Uint8Array, encoding: 'json' | 'msgpack'): string | undefined {
  if (payload.byteLength > STATE_BYTES_MAX) return undefined;
  if (encoding === 'json') return Buffer.from(payload).toString();
  try {
    return JSON.stringify(decodeMsgpack(payload));
  } catch {
    return undefined;
  }
}
