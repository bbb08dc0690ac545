import type { Bus } from '../bus/bus.ts';
import type { Clock } from '../std/clock.ts';

/** A broker that goes just then must not hold up a stop. */
const LAST_WORD_MS_MAX = 1_000;

/**
 * Publishes what a part of the node says as it closes. Not while the bus is offline: that would wait for
 * a broker that may never come back.
 */
export async function sayLastWord(
  { bus, clock }: { readonly bus: Bus; readonly clock: Clock },
  publish: () => Promise<void>,
): Promise<void> {
  if (bus.state === 'offline') return;
  const over = new Promise<void>((resolve) => clock.after(LAST_WORD_MS_MAX, resolve));
  await Promise.race([publish(), over]);
}
