import type { Clock } from '../../std/clock.ts';
import { LedgeError } from '../../std/error.ts';

/** The same is told again after so long, with how often it happened meanwhile. */
const QUIET_MS = 60_000;
/** Kinds of problems remembered: one for each address or client that makes some. */
const KINDS_MAX = 1_024;

/** Tells of a problem by its kind: once, and then at most once a minute. */
export type SparseTeller = (kind: string, message: string) => void;

/** Creates a teller, so that one client that is refused a thousand times a second fills no log. */
export function createSparseTeller(
  clock: Clock,
  tell: (problem: LedgeError) => void,
): SparseTeller {
  const kinds = new Map<string, { at: number; more: number }>();
  return (kind, message) => {
    const now = clock.now();
    const known = kinds.get(kind);
    if (known !== undefined && now - known.at < QUIET_MS && now >= known.at) {
      known.more += 1;
      return;
    }
    const more = known === undefined || known.more === 0 ? '' : ` (and ${known.more} times before)`;
    kinds.delete(kind);
    const [oldest] = kinds.keys();
    if (kinds.size >= KINDS_MAX && oldest !== undefined) kinds.delete(oldest);
    kinds.set(kind, { at: now, more: 0 });
    tell(new LedgeError('closed', `${message}${more}`));
  };
}
