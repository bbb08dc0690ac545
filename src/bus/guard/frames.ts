import type { FramePlace } from './decode.ts';
import { malformed } from './violation.ts';

/** The first piece of memory for a packet that did not arrive whole; it doubles as bytes come. */
const FIRST_BYTES = 4 * 1024;
/** Type, and a length of one to four bytes. */
const HEADER_BYTES_MAX = 5;

/** Cuts a connection's bytes into packets. What waits is at most one packet. */
export interface Frames {
  /**
   * Takes what was read and gives every packet that is whole now. Stops where `take` answers `stop`.
   * Throws a `Violation` for a length that does not read.
   */
  push(chunk: Buffer, take: (frame: FramePlace) => 'go on' | 'stop'): void;
}

/** Creates the cutter of one connection. `check` throws for a packet that is not to be waited for. */
export function createFrames(check: (firstByte: number, packetBytes: number) => void): Frames {
  /** The packet that is not whole yet: memory, what is filled of it, its size where that is known. */
  let held: Buffer | undefined;
  let filled = 0;
  let wanted: number | undefined;

  /** Copies from the chunk until the waiting packet is whole; returns where the chunk goes on. */
  function fill(chunk: Buffer, from: number): number {
    let at = from;
    while (wanted === undefined && at < chunk.length) {
      append(chunk, at, at + 1);
      at += 1;
      wanted = sizeOf(held as Buffer, 0, filled, check)?.packetBytes;
    }
    if (wanted === undefined) return at;
    const end = Math.min(chunk.length, at + wanted - filled);
    append(chunk, at, end);
    return end;
  }

  function append(chunk: Buffer, from: number, end: number): void {
    const needed = filled + end - from;
    const before = held ?? Buffer.allocUnsafe(FIRST_BYTES);
    held = before;
    if (needed > before.length) {
      const most = wanted ?? needed;
      // Twice what came, never more than the packet: a header alone does not take its whole length.
      held = Buffer.allocUnsafe(Math.max(needed, Math.min(most, needed * 2)));
      before.copy(held, 0, 0, filled);
    }
    chunk.copy(held, filled, from, end);
    filled = needed;
  }

  return {
    push(chunk, take) {
      let at = 0;
      while (at < chunk.length) {
        if (held === undefined) {
          const size = sizeOf(chunk, at, chunk.length, check);
          if (size === undefined || at + size.packetBytes > chunk.length) {
            at = fill(chunk, at);
            continue;
          }
          const end = at + size.packetBytes;
          const place = { bytes: chunk, start: at, body: at + size.headerBytes, end };
          at = end;
          if (take(place) === 'stop') return;
          continue;
        }
        at = fill(chunk, at);
        if (wanted === undefined || filled < wanted) return;
        const bytes = held;
        const size = sizeOf(bytes, 0, filled, check);
        const body = size?.headerBytes ?? 0;
        const place = { bytes, start: 0, body, end: wanted };
        held = undefined;
        filled = 0;
        wanted = undefined;
        if (take(place) === 'stop') return;
      }
    },
  };
}

/** The size of the packet that starts at `from`; undefined: its length is not all there. */
function sizeOf(
  bytes: Buffer,
  from: number,
  end: number,
  check: (firstByte: number, packetBytes: number) => void,
): { headerBytes: number; packetBytes: number } | undefined {
  let length = 0;
  for (let count = 1; count < HEADER_BYTES_MAX; count += 1) {
    if (from + count >= end) return undefined;
    const byte = bytes[from + count] as number;
    length += (byte & 0x7f) << (7 * (count - 1));
    if (byte < 0x80) {
      // [MQTT-1.5.5-1]
      if (byte === 0 && count > 1) throw malformed('the length takes more bytes than it needs');
      const headerBytes = 1 + count;
      check(bytes[from] as number, headerBytes + length);
      return { headerBytes, packetBytes: headerBytes + length };
    }
  }
  throw malformed('the length has more than four bytes');
}
