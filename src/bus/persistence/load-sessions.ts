import { createReceived, type Session } from './session.ts';
import { KEYS, keyOf } from './session-disk.ts';
import { ENTRY_BYTES } from './session-limits.ts';
import { decodeEntry, decodeSession, packetOf } from './session-record.ts';
import type { SessionParts } from './sessions.ts';
import { bytesOf } from './stored-packet.ts';

/** Reads everything from disk; what does not parse or belongs to nobody is set aside, and told. */
export async function loadSessions(parts: SessionParts): Promise<void> {
  const { disk, retained, wills, list, stock } = parts;
  if (!disk.lasting) return;
  const sessions = new Map<string, Session>();
  let damaged = 0;

  /** Reads one area; what `take` refuses is set aside. */
  async function read(
    area: string,
    take: (value: Uint8Array, key: string) => boolean,
  ): Promise<void> {
    for await (const [key, value] of disk.entries(area)) {
      if (take(value, key)) continue;
      damaged += 1;
      disk.setAside(key, value);
    }
  }

  await read('sessions/meta/', (value, key) => {
    const record = decodeSession(value);
    if (record === undefined || KEYS.session(keyOf(record.id)) !== key) return false;
    const session = list.restore(record);
    sessions.set(session.key, session);
    // Whoever was connected when the last run ended may have been sent everything.
    if (record.endsAt === undefined) session.triedThrough = Number.MAX_SAFE_INTEGER;
    return true;
  });
  await read('sessions/queue/', (value, key) => {
    const { owner, number } = placeOf(key);
    const session = sessions.get(owner);
    if (session === undefined || !Number.isSafeInteger(number)) return false;
    return restoreEntry(session, number, value);
  });
  await read('sessions/received/', (_, key) => {
    const { owner, number } = placeOf(key);
    const received = createReceived(undefined);
    received.settle();
    return sessions.get(owner)?.received.set(number, received) !== undefined;
  });
  await read('sessions/will/', (value, key) => wills.restore(key, value));
  await read('retained/', (value, key) => retained.restore(key, value));
  for (const session of sessions.values()) {
    session.triedThrough = Math.min(session.triedThrough, session.queue.last?.seq ?? -1);
    for (let entry = session.queue.first; entry !== undefined; entry = entry.next) stock.add(entry);
  }
  if (damaged > 0)
    parts.tell('value-invalid', `Set aside ${damaged} damaged values of the broker's sessions`);
}

/** The session and the number that a key names. */
function placeOf(key: string): { readonly owner: string; readonly number: number } {
  const [, , owner = '', number] = key.split('/');
  return { owner, number: Number(number) };
}

/** Keeps size and lifetime of a message in memory; its bytes stay on disk until they are sent. */
function restoreEntry({ queue, triedThrough }: Session, seq: number, value: Uint8Array): boolean {
  const record = decodeEntry(value);
  if (record === undefined || queue.find(record.id) !== undefined) return false;
  const { id } = record;
  const place = { seq, id, tried: seq <= triedThrough };
  if (record.kind === 'released') {
    const released = {
      kind: 'released',
      qos: 2,
      expiresAt: undefined,
      bytes: ENTRY_BYTES,
    } as const;
    queue.restore({ ...place, ...released });
    return true;
  }
  const bytes = ENTRY_BYTES + bytesOf(packetOf(record));
  queue.restore({ ...place, kind: 'message', qos: record.qos, expiresAt: record.expiresAt, bytes });
  return true;
}
