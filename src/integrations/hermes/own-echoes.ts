/** Messages of our own that may be on their way back: a dialogue sends some ten. */
const ECHOES_MAX = 1024;
/** A message that did not come back after this was lost, or the broker went away. */
const ECHO_MS_MAX = 10_000;

/**
 * Tells messages of this node from everybody else's where both come by the same subscription, on any
 * version of MQTT: each one sent is expected back once. Two equal messages, one of them somebody
 * else's, are told apart by their number, which is all that matters.
 */
export interface OwnEchoes {
  /** Before a message is sent; gives how to call it off where it was not. */
  expect(topic: string, payload: string): () => void;
  /** Whether a message that came is an expected one, which it then is no more. */
  take(topic: string, payload: Uint8Array): boolean;
  readonly size: number;
}

/** Remembers at most 1,024 messages for 10 s each. */
export function createOwnEchoes(now: () => number): OwnEchoes {
  const expected = new Map<number, { readonly key: string; readonly since: number }>();
  const byKey = new Map<string, number[]>();
  let next = 0;

  function remove(id: number): void {
    const entry = expected.get(id);
    if (entry === undefined) return;
    expected.delete(id);
    const ids = (byKey.get(entry.key) ?? []).filter((other) => other !== id);
    if (ids.length === 0) byKey.delete(entry.key);
    else byKey.set(entry.key, ids);
  }

  function forgetOld(): void {
    for (const [id, { since }] of expected) {
      if (expected.size <= ECHOES_MAX && now() - since < ECHO_MS_MAX) break;
      remove(id);
    }
  }

  return {
    expect(topic, payload) {
      const id = next;
      next += 1;
      const key = keyOf(topic, payload);
      expected.set(id, { key, since: now() });
      byKey.set(key, [...(byKey.get(key) ?? []), id]);
      forgetOld();
      return () => remove(id);
    },
    take(topic, payload) {
      forgetOld();
      const [id] = byKey.get(keyOf(topic, Buffer.from(payload).toString())) ?? [];
      if (id === undefined) return false;
      remove(id);
      return true;
    },
    get size() {
      return expected.size;
    },
  };
}

function keyOf(topic: string, payload: string): string {
  return `${topic}\n${payload}`;
}
