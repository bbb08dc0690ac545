import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Clock } from '../../std/clock.ts';
import { LedgeError } from '../../std/error.ts';
import { createFrameReader, encodeFrame } from './frame.ts';
import { type Answer, errorAnswer } from './meaning.ts';
import type { Session } from './session.ts';

/** A frame that began must be whole by then: the largest takes 35 kB/s. */
const FRAME_MS_MAX = 30_000;
/** Answers are small: a client that lets so many wait does not read. */
const WAITING_BYTES_MAX = 262_144;
/** A client that does not read what it asked for by then has gone. */
const DRAIN_MS_MAX = 30_000;
/** How long a refused client has to read why. */
const FAREWELL_MS = 1000;
/** A peer whose machine was switched off is noticed by the system's own probes after this. */
const KEEPALIVE_MS = 30_000;

export interface ConnectionOptions {
  readonly clock: Clock;
  readonly idleMs: number;
  createSession(send: (answer: Answer) => Promise<void>, signal: AbortSignal): Session;
  /** A fault of ours, or a client that broke the protocol. */
  onProblem(error: unknown): void;
}

/** Serves one client until it has gone. Never rejects. */
export async function serveConnection(socket: Socket, options: ConnectionOptions): Promise<void> {
  const { clock } = options;
  const gone = new AbortController();
  const { signal } = gone;
  const reader = createFrameReader();
  let late: (() => void) | undefined;
  socket.setNoDelay(true);
  socket.setKeepAlive(true, KEEPALIVE_MS);
  socket.setTimeout(options.idleMs, () => socket.destroy());
  // What goes wrong with a socket ends it; the close that follows is what counts.
  socket.on('error', () => undefined);
  socket.once('close', () => gone.abort());

  async function send({ type, data }: Answer): Promise<void> {
    if (socket.destroyed || !socket.writable) return;
    if (socket.write(encodeFrame(type, data))) return;
    if (socket.writableLength > WAITING_BYTES_MAX) socket.destroy();
    else await drained();
  }

  async function drained(): Promise<void> {
    const cancel = clock.after(DRAIN_MS_MAX, () => socket.destroy());
    await once(socket, 'drain', { signal }).catch(() => undefined);
    cancel();
  }

  const session = options.createSession(send, signal);

  async function take(chunk: Uint8Array): Promise<void> {
    for (const frame of reader.push(chunk)) {
      late?.();
      late = undefined;
      try {
        await session.handle(frame);
      } catch (error) {
        if (!(error instanceof LedgeError)) throw error;
        await send(errorAnswer(error));
      }
      if (signal.aborted) return;
    }
    if (reader.partial) late ??= clock.after(FRAME_MS_MAX, () => socket.destroy());
  }

  try {
    for await (const chunk of socket.iterator({ destroyOnReturn: false }))
      await take(chunk as Uint8Array);
    socket.end();
  } catch (error) {
    if (!signal.aborted && !socket.destroyed) {
      options.onProblem(error);
      refuse(socket, error, clock);
    }
  } finally {
    late?.();
    session.close();
  }
  if (!signal.aborted) await once(socket, 'close', { signal }).catch(() => undefined);
}

/** Tells a client why it is not served, and lets it go. */
export function refuse(socket: Socket, error: unknown, clock: Clock): void {
  const { type, data } = errorAnswer(error);
  socket.on('error', () => undefined);
  socket.end(encodeFrame(type, data));
  // What it still sends must be read: a socket closed over unread bytes is reset, and the answer lost.
  socket.resume();
  const cancel = clock.after(FAREWELL_MS, () => socket.destroy());
  socket.once('close', cancel);
}
