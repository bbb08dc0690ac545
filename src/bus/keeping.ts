/** Messages that wait for one client that is away, or that it has not acknowledged. */
const SESSION_MESSAGES_MAX = 1_000;
/** Their payloads. */
const SESSION_BYTES_MAX = 16 * 1024 * 1024;
/** Topics with a retained message: each device of a large site has several. */
const RETAINED_MESSAGES_MAX = 20_000;
/** Their payloads: a retained camera picture of each of some hundred cameras. */
const RETAINED_BYTES_MAX = 64 * 1024 * 1024;

interface Kept {
  readonly topic: string;
  readonly payload: string | Uint8Array;
}

/** The part of the broker's store that grows with what clients send. */
interface Store {
  outgoingEnqueueCombi(
    subscriptions: ReadonlyArray<{ readonly clientId: string }>,
    packet: Kept,
  ): Promise<void>;
  /** Resolves to what it removed, if anything. */
  outgoingClearMessageId(client: { readonly id: string }, packet: object): Promise<unknown>;
  storeRetained(packet: Kept): Promise<void>;
}

/**
 * Bounds what the broker keeps in memory for clients that are away and for later subscribers; the
 * library has no bound of its own. What does not fit is not kept, and `tell` hears of it once.
 */
export function boundKeeping(broker: object, tell: (text: string) => void): void {
  const { persistence: store } = broker as { readonly persistence: Store };
  boundSessions(store, tell);
  boundRetained(store, tell);
}

function boundSessions(store: Store, tell: (text: string) => void): void {
  const sessions = new Map<string, { bytes: number; readonly sizes: number[]; told: boolean }>();
  const enqueue = store.outgoingEnqueueCombi.bind(store);
  const clear = store.outgoingClearMessageId.bind(store);

  store.outgoingEnqueueCombi = async (subscriptions, packet) => {
    if (subscriptions.length === 0) return;
    const size = packet.payload.length;
    const fitting = subscriptions.filter(({ clientId }) => {
      const session = sessions.get(clientId) ?? { bytes: 0, sizes: [], told: false };
      sessions.set(clientId, session);
      const full = session.sizes.length >= SESSION_MESSAGES_MAX;
      if (full || (session.bytes > 0 && session.bytes + size > SESSION_BYTES_MAX)) {
        if (!session.told) tell(`Dropped messages for client "${clientId}": its session is full`);
        session.told = true;
        return false;
      }
      session.sizes.push(size);
      session.bytes += size;
      return true;
    });
    await enqueue(fitting, packet);
  };

  store.outgoingClearMessageId = async (client, packet) => {
    const removed = await clear(client, packet);
    const session = sessions.get(client.id);
    if (removed === undefined || session === undefined) return removed;
    // Acknowledgements come in order: the oldest size is the one that went.
    session.bytes -= session.sizes.shift() ?? 0;
    if (session.sizes.length === 0) sessions.delete(client.id);
    return removed;
  };
}

function boundRetained(store: Store, tell: (text: string) => void): void {
  const sizes = new Map<string, number>();
  const keep = store.storeRetained.bind(store);
  let bytes = 0;
  let told = false;

  store.storeRetained = async (packet) => {
    const { topic } = packet;
    const size = packet.payload.length;
    const before = sizes.get(topic);
    const after = bytes - (before ?? 0) + size;
    const full = before === undefined && sizes.size >= RETAINED_MESSAGES_MAX;
    if (size > 0 && (full || after > RETAINED_BYTES_MAX)) {
      if (!told) tell(`Did not retain a message on "${topic}": too many are retained`);
      told = true;
      return;
    }
    bytes = after;
    if (size === 0) sizes.delete(topic);
    else sizes.set(topic, size);
    await keep(packet);
  };
}
