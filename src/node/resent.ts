import type { Sent } from '../bus/bus.ts';
import { isSameEvent } from './event-id.ts';

/** Messages remembered for one flow: many times what all its publishers have unacknowledged at once. */
const REMEMBERED_MAX = 16_384;

/** The first copy of a message, for the case that its publisher sends it again. */
export class FirstCopy {
  readonly id: string;
  #waiting: (() => void)[] | undefined = [];

  constructor(id: string) {
    this.id = id;
  }

  /** The event is on disk, or done: a second copy needs nothing but its acknowledgement. */
  taken(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const call of waiting) call();
  }

  whenTaken(call: () => void): void {
    if (this.#waiting === undefined) call();
    else this.#waiting.push(call);
  }
}

/** Whose packet it was, and which. */
type PacketName = Pick<Sent, 'by' | 'packetId'>;

/**
 * Knows the last messages of a flow by publisher and packet id. A publisher that got no acknowledgement
 * sends the same once more, marked as such [MQTT-4.3.2-2]; what is known from before is not worked on twice.
 */
export interface Resent {
  remember(sent: PacketName, first: FirstCopy): void;
  /** The first copy of a message that says it is sent again and gave this id. */
  find(
    sent: Pick<Sent, 'by' | 'packetId' | 'again'> | undefined,
    id: string,
  ): FirstCopy | undefined;
}

/** Creates an empty memory; the one longest known gives way. */
export function createResent(): Resent {
  const known = new Map<string, FirstCopy>();
  return {
    remember(sent, first) {
      const key = keyOf(sent);
      known.delete(key);
      known.set(key, first);
      if (known.size <= REMEMBERED_MAX) return;
      for (const oldest of known.keys()) {
        known.delete(oldest);
        return;
      }
    },
    find(sent, id) {
      if (sent?.again !== true) return undefined;
      const first = known.get(keyOf(sent));
      return first !== undefined && isSameEvent(first.id, id) ? first : undefined;
    },
  };
}

function keyOf({ by, packetId }: PacketName): string {
  return `${packetId}/${by}`;
}
