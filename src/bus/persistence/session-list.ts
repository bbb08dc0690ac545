import type { Clock } from '../../std/clock.ts';
import type { Write } from '../../store/store.ts';
import { createEntryQueue } from './entry-queue.ts';
import { createSaver } from './saver.ts';
import {
  createSession,
  type Placed,
  type Session,
  type SessionClient,
  type SessionSubscription,
} from './session.ts';
import { KEYS, keyOf, type SessionDisk } from './session-disk.ts';
import type { SessionLimits } from './session-limits.ts';
import { encodeRecord, type SessionRecord } from './session-record.ts';

/** All sessions of one broker, with when each begins and ends. */
export interface SessionList {
  get(id: string): Session | undefined;
  values(): Iterable<Session>;
  readonly size: number;
  /** Sessions without a client. */
  readonly absent: number;
  /** The session that a client is or was on. */
  of(client: object): Session | undefined;
  /** Whether a client that does not ask for a clean start finds a session. */
  resumable(id: string): Session | undefined;
  /** Gives a connection its session, an old or a new one. */
  attach(client: SessionClient): void;
  /** The connection is gone: the session waits for the next one, or ends. */
  detach(client: SessionClient): void;
  end(session: Session): void;
  subscribe(session: Session, subscriptions: readonly SessionSubscription[]): Promise<void>;
  unsubscribe(session: Session, filters: readonly string[]): Promise<void>;
  restore(record: SessionRecord): Session;
  save(session: Session): Promise<void>;
}

interface ListOptions {
  readonly disk: SessionDisk;
  readonly limits: SessionLimits;
  readonly clock: Clock;
  readonly place: (placed: Placed) => () => void;
  /** A connection leaves its session, or its session ends. */
  readonly onLeave: (session: Session) => void;
  readonly onEnd: (session: Session, why: 'ended' | 'expired' | 'too-many') => void;
}

/** Creates the list of one broker. */
export function createSessionList(options: ListOptions): SessionList {
  const { disk, limits, clock } = options;
  const sessions = new Map<string, Session>();
  const byClient = new WeakMap<object, Session>();
  let absent = 0;
  const save = createSaver((id) => {
    const session = sessions.get(id);
    if (session?.lasting !== true) return Promise.resolve();
    const value = encodeRecord(recordOf(session));
    return disk.insist([{ kind: 'put', key: KEYS.session(session.key), value }]);
  });

  function add(id: string, expirySeconds: number, lasting: boolean): Session {
    const queue = createEntryQueue(clock.now() * 1000);
    const session = createSession({ id, key: keyOf(id), queue, expirySeconds, lasting });
    sessions.set(id, session);
    return session;
  }

  function remove(session: Session, why: 'ended' | 'expired' | 'too-many'): void {
    if (session.ended) return;
    options.onLeave(session);
    session.ended = true;
    session.callOffEnd();
    if (session.client === undefined) absent -= 1;
    session.client = undefined;
    for (const { take } of session.subscriptions.values()) take();
    if (sessions.get(session.id) === session) sessions.delete(session.id);
    if (session.lasting) void disk.insist(removalOf(session));
    options.onEnd(session, why);
  }

  function endLater(session: Session, milliseconds: number): void {
    session.callOffEnd();
    session.callOffEnd = clock.after(Math.max(0, milliseconds), () => remove(session, 'expired'));
  }

  function resumable(id: string): Session | undefined {
    const session = sessions.get(id);
    return session === undefined || session.expirySeconds === 0 ? undefined : session;
  }

  function attach(client: SessionClient): void {
    const found = resumable(client.id);
    const old = sessions.get(client.id);
    if (found === undefined && old !== undefined) remove(old, 'ended');
    const expirySeconds = Math.min(client.sessionExpiryInterval, limits.expirySecondsMax);
    const session = found ?? add(client.id, expirySeconds, disk.lasting && expirySeconds > 0);
    if (found !== undefined) {
      options.onLeave(session);
      if (session.client === undefined) absent -= 1;
      session.callOffEnd();
      session.expirySeconds = expirySeconds;
    }
    session.client = client;
    session.endsAt = undefined;
    byClient.set(client, session);
    client.clean = false;
    client.conn.once('close', () => detach(client));
    if (client.conn.destroyed) detach(client);
    const refused = [...session.subscriptions.keys()].filter(
      (filter) => !Object.hasOwn(client.subscriptions, filter),
    );
    // Nobody waits for the disk: whatever a session is promised later is written behind this.
    void list.unsubscribe(session, refused);
  }

  function detach(client: SessionClient): void {
    const session = byClient.get(client);
    if (session === undefined || session.client !== client) return;
    session.expirySeconds = Math.min(client.sessionExpiryInterval, limits.expirySecondsMax);
    if (session.expirySeconds === 0) return remove(session, 'ended');
    if (absent >= limits.sessionsMax) return remove(session, 'too-many');
    options.onLeave(session);
    session.client = undefined;
    absent += 1;
    session.endsAt = clock.now() + session.expirySeconds * 1000;
    endLater(session, session.expirySeconds * 1000);
    void save(session.id);
  }

  function restore(record: SessionRecord): Session {
    const expirySeconds = Math.min(record.expirySeconds, limits.expirySecondsMax);
    const session = add(record.id, expirySeconds, true);
    absent += 1;
    session.triedThrough = record.triedThrough;
    const longest = expirySeconds * 1000;
    const left = record.endsAt === undefined ? longest : record.endsAt - clock.now();
    session.endsAt = clock.now() + Math.min(left, longest);
    endLater(session, Math.min(left, longest));
    for (const subscription of record.subscriptions) {
      const take = options.place({ session, subscription });
      session.subscriptions.set(subscription.topic, { subscription, take });
    }
    return session;
  }

  const list: SessionList = {
    get: (id) => sessions.get(id),
    values: () => sessions.values(),
    get size() {
      return sessions.size;
    },
    get absent() {
      return absent;
    },
    of: (client) => byClient.get(client),
    resumable,
    attach,
    detach,
    end: (session) => remove(session, 'ended'),
    async subscribe(session, subscriptions) {
      for (const subscription of subscriptions) {
        session.subscriptions.get(subscription.topic)?.take();
        const take = options.place({ session, subscription });
        session.subscriptions.set(subscription.topic, { subscription, take });
      }
      await save(session.id);
    },
    async unsubscribe(session, filters) {
      for (const filter of filters) {
        session.subscriptions.get(filter)?.take();
        session.subscriptions.delete(filter);
      }
      await save(session.id);
    },
    restore,
    save: (session) => save(session.id),
  };
  return list;
}

function recordOf(session: Session): SessionRecord {
  const { id, expirySeconds, endsAt, triedThrough } = session;
  const subscriptions = [...session.subscriptions.values()].map(({ subscription }) =>
    plain(subscription),
  );
  return { id, expirySeconds, endsAt, triedThrough, subscriptions };
}

function plain(subscription: SessionSubscription): SessionRecord['subscriptions'][number] {
  const { topic, qos, rh, rap, nl, subscriptionIdentifier } = subscription;
  return {
    topic,
    qos,
    ...(rh !== undefined && { rh }),
    ...(rap !== undefined && { rap }),
    ...(nl !== undefined && { nl }),
    ...(subscriptionIdentifier !== undefined && { subscriptionIdentifier }),
  };
}

function removalOf(session: Session): Write[] {
  const { key, queue, received } = session;
  const writes: Write[] = [{ kind: 'delete', key: KEYS.session(key) }];
  for (let entry = queue.first; entry !== undefined; entry = entry.next) {
    writes.push({ kind: 'delete', key: KEYS.entry(key, entry.seq) });
  }
  for (const id of received.keys()) writes.push({ kind: 'delete', key: KEYS.received(key, id) });
  return writes;
}
