import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below what systems give to whoever asks for any port or connects from one: a program that is stopped
 * and started again finds its port still free, and its clients never reach another's.
 */
const FIRST = 20_000;
const LAST = 32_000;
/** Ports tried before it is a fault. */
const TRIES_MAX = 100;

/** A TCP port of 127.0.0.1 that nobody listens on and that stays so while its program is away. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    const server = createServer().listen(port, '127.0.0.1');
    const free = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (!free) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
  throw new Error(`None of ${TRIES_MAX} ports from ${FIRST} on is free`);
}
