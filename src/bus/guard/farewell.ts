import type { Duplex } from 'node:stream';

/** How long a client may take to read why its connection ends. */
const FAREWELL_MS_MAX = 1_000;

const leaving = new WeakMap<Duplex, () => void>();

/**
 * Writes the last bytes and closes so that they arrive: the writing side first, and what the client still
 * sends is read and forgotten, because closing over unread bytes would throw away what was written.
 * From here on `destroy` of the stream waits for that.
 */
export function sayFarewell(stream: Duplex, bytes: Buffer): void {
  if (stream.destroyed || leaving.has(stream)) return;
  const destroy = stream.destroy.bind(stream);
  const timer = setTimeout(destroy, FAREWELL_MS_MAX);
  const now = () => {
    clearTimeout(timer);
    leaving.delete(stream);
    stream.destroy = destroy;
    destroy();
  };
  leaving.set(stream, now);
  stream.destroy = () => stream;
  stream.once('close', () => clearTimeout(timer));
  stream.removeAllListeners('readable');
  // Listeners of 'readable' hold a stream back until they are gone for a turn.
  setImmediate(() => {
    stream.on('end', now);
    stream.resume();
  });
  while (stream.writableCorked > 0) stream.uncork();
  stream.end(bytes);
}

/** Waits until every stream that says farewell is closed, or the time is over; then closes them all. */
export async function seeOff(streams: Iterable<Duplex>, msMax: number): Promise<void> {
  const waits: Promise<void>[] = [];
  for (const stream of streams) {
    if (leaving.has(stream)) {
      waits.push(new Promise((resolve) => stream.once('close', () => resolve())));
    } else stream.destroy();
  }
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, msMax);
  });
  await Promise.race([Promise.all(waits), over]);
  clearTimeout(timer);
  for (const stream of [...streams]) leaving.get(stream)?.();
  // A destroyed stream says so on the next turn of the event loop.
  await new Promise((resolve) => setImmediate(resolve));
}
