import { createHash } from 'node:crypto';
import type { Message } from '../bus.ts';

/** The user property that names every bridge a message has passed. */
export const VIA = 'ledge-via';

/** Messages remembered where a broker carries no user properties: a minute at 160 a second. */
const REMEMBERED_MAX = 10_000;
/** An echo comes back within this, or never. */
const REMEMBERED_MS = 60_000;

/** Whether a message has passed this node's bridge before. */
export function hasPassed(message: Message, node: string): boolean {
  return viaOf(message).includes(node);
}

/** The message with this node's bridge among those it has passed. */
export function withPassage(message: Message, node: string): Message {
  const { properties } = message;
  const via = [...viaOf(message), node];
  const userProperties = { ...properties?.userProperties, [VIA]: via };
  return { ...message, properties: { ...properties, userProperties } };
}

function viaOf(message: Message): readonly string[] {
  return [message.properties?.userProperties?.[VIA] ?? []].flat();
}

/** Knows a message again that went the other way a moment ago, for MQTT 3.1.1. */
export interface EchoMemory {
  remember(message: Message): void;
  /** Whether the message was remembered; each remembering counts once. */
  recognise(message: Message): boolean;
}

/** Creates a bounded memory of hashes. */
export function createEchoMemory(now: () => number): EchoMemory {
  const known = new Map<string, number[]>();
  let count = 0;

  /** The oldest go first: a Map keeps the order in which its keys came. */
  function forget(): void {
    for (const [key, times] of known) {
      const over = count > REMEMBERED_MAX || (times.at(-1) ?? 0) < now() - REMEMBERED_MS;
      if (!over) return;
      known.delete(key);
      count -= times.length;
    }
  }

  return {
    remember(message) {
      const key = keyOf(message);
      const times = known.get(key) ?? [];
      known.delete(key);
      known.set(key, [...times, now()]);
      count += 1;
      forget();
    },
    recognise(message) {
      forget();
      const key = keyOf(message);
      const times = known.get(key);
      if (times === undefined) return false;
      count -= 1;
      times.shift();
      if (times.length === 0) known.delete(key);
      return true;
    },
  };
}

function keyOf({ topic, payload }: Message): string {
  return createHash('sha256').update(topic).update('\0').update(payload).digest('base64');
}
