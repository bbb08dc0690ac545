import type { Duplex } from 'node:stream';

/** Waits until what was written to the streams has left the process, or the time is over. */
export async function drain(streams: Iterable<Duplex>, msMax: number): Promise<void> {
  // What was routed in this turn of the event loop is written on the next one, and flushed after it.
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  const waits: Promise<void>[] = [];
  for (const stream of streams) {
    if (stream.writableLength > 0 && !stream.destroyed) waits.push(flushed(stream));
  }
  if (waits.length === 0) return;
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, msMax);
  });
  await Promise.race([Promise.all(waits), over]);
  clearTimeout(timer);
}

function flushed(stream: Duplex): Promise<void> {
  return new Promise((resolve) => {
    stream.once('close', resolve);
    // The callback of a write comes after everything written before it.
    stream.write(Buffer.alloc(0), () => resolve());
  });
}
