import type { Bus } from '../../bus/bus.ts';
import { removalOf } from './read-config.ts';

/** What a topic should hold: this text, or whatever it holds now (`any`). */
export type Wanted = ReadonlyMap<string, { readonly payload: string } | 'any'>;

/** The broker's retained topics that are this node's, brought to what they should be. */
export interface RetainedTopics {
  /** Notes what the broker keeps. */
  note(topic: string, payload: string): void;
  has(topic: string): boolean;
  get(topic: string): string | undefined;
  /** Forgets what was noted: the broker is asked again. */
  reset(): void;
  /** Somebody else cleared it. */
  gone(topic: string): void;
  /** Publishes one topic now. */
  put(topic: string, payload: string): void;
  /** Publishes what differs and clears what nobody wants; `again` publishes the rest as well. */
  settle(wanted: Wanted, how: 'changes' | 'again'): void;
  /** Resolves when everything so far was handed over. */
  readonly idle: Promise<void>;
}

/** Creates the keeper of retained topics; publishes one after the other, in order. */
export function createRetainedTopics(
  bus: Pick<Bus, 'publish'>,
  onFailed: (topic: string, error: unknown) => void,
): RetainedTopics {
  const kept = new Map<string, string>();
  let last: Promise<void> = Promise.resolve();

  function send(topic: string, payload: string): void {
    last = last.then(async () => {
      try {
        await bus.publish({
          ...{ topic, payload: Buffer.from(payload), qos: 1, retain: true },
          ...(payload !== '' && { properties: { contentType: 'application/json' } }),
        });
      } catch (error) {
        onFailed(topic, error);
      }
    });
  }

  function put(topic: string, payload: string): void {
    const before = kept.get(topic);
    kept.set(topic, payload);
    const removal =
      before === undefined || !topic.endsWith('/config') ? undefined : removalOf(before, payload);
    if (removal !== undefined) send(topic, removal);
    send(topic, payload);
  }

  return {
    note: (topic, payload) => void kept.set(topic, payload),
    has: (topic) => kept.has(topic),
    get: (topic) => kept.get(topic),
    reset: () => kept.clear(),
    gone: (topic) => void kept.delete(topic),
    put,
    settle(wanted, how) {
      for (const topic of [...kept.keys()]) {
        if (wanted.has(topic)) continue;
        kept.delete(topic);
        send(topic, '');
      }
      for (const [topic, want] of wanted) {
        const payload = want === 'any' ? kept.get(topic) : want.payload;
        if (payload === undefined) continue;
        if (how === 'again' || kept.get(topic) !== payload) put(topic, payload);
      }
    },
    get idle() {
      return last;
    },
  };
}
