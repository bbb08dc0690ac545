import { connect } from 'node:net';
import { decode } from '../../src/bus/guard/decode.ts';
import { createFrames } from '../../src/bus/guard/frames.ts';
import { sessionPackets } from './mqtt-grammar.ts';
import type { Random } from './random.ts';

/** Packets of one connection: few, because the first that is wrong ends it; some go on for long. */
const PACKETS = [2, 4, 8, 8, 16, 60];
/** A connection that the broker leaves open after both sides said all is closed from here. */
const LINGER_MS = 20_000;
/** Pieces that the bytes of a connection are torn into. */
const PIECES_MAX = 6;

/** What one connection did. */
export interface SessionEnd {
  /** Packets up to the first that no reader can read: those behind it are never looked at. */
  readonly packets: number;
  /** Whether the broker left it open until it was closed from here. */
  readonly lingered: boolean;
}

/** One connection's bytes, and how many packets in them can come to the broker's eyes. */
export function makeSession(random: Random): { readonly bytes: Buffer; readonly packets: number } {
  const dialect = { version: random.pick([3, 4, 4, 5, 5, 5] as const), prefix: 'fuzz' };
  const packets = sessionPackets(random, dialect, random.pick(PACKETS));
  const bytes = Buffer.concat(packets);
  return { bytes, packets: readablePackets(bytes) };
}

/** Sends a session over TCP, in torn pieces, and ends it in one of three ways. */
export async function runSession(random: Random, port: number): Promise<SessionEnd> {
  const { bytes, packets } = makeSession(random);
  const cuts = Array.from({ length: random.below(PIECES_MAX) }, () => random.below(bytes.length));
  const places = [0, ...cuts.sort((a, b) => a - b), bytes.length];
  const ending = random.below(3);
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let lingered = false;
  const timer = setTimeout(() => {
    lingered = true;
    socket.destroy();
  }, LINGER_MS);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.on('error', () => socket.destroy());
  socket.resume();
  await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
  for (let at = 1; at < places.length && !socket.destroyed; at += 1) {
    const piece = bytes.subarray(places[at - 1], places[at]);
    if (piece.length > 0) await new Promise((resolve) => socket.write(piece, resolve));
  }
  // Half-closed, given a turn to be read and torn off, or reset at once.
  if (ending === 0) socket.end();
  else if (ending === 1) setImmediate(() => socket.destroySoon());
  else socket.resetAndDestroy();
  await closed;
  clearTimeout(timer);
  return { packets, lingered };
}

function readablePackets(bytes: Buffer): number {
  let count = 0;
  let version: 3 | 4 | 5 | undefined;
  const frames = createFrames(() => undefined);
  try {
    frames.push(bytes, (frame) => {
      count += 1;
      const packet = decode(frame, { version, bridgeMode: false });
      if (packet.cmd === 'connect') version = packet.protocolVersion as 3 | 4 | 5;
      return 'go on';
    });
  } catch {
    // The packet that is counted last.
  }
  return Math.max(1, count);
}
