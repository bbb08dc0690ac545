import {
  type ClassLimits,
  OUTBOX_CLASSES,
  type OutboxClass,
  type OutboxDropReason,
} from './outbox-class.ts';
import type { ClassIndex, Entry } from './outbox-index.ts';

interface RoomOptions {
  readonly indexes: Readonly<Record<OutboxClass, ClassIndex>>;
  readonly limits: Readonly<Record<OutboxClass, ClassLimits>>;
  /** All classes together. */
  readonly bytesMax: number;
  drop(entry: Entry, reason: OutboxDropReason): void;
}

/**
 * Makes room for a message of a class, by the policies of the classes; `false`: it must not come in.
 * Over the limit of all, less urgent classes give way first. An alarm over its own limit still comes in
 * as long as another class has as much to give.
 */
export function createRoom(
  options: RoomOptions,
): (name: OutboxClass, bytes: number) => 'fits' | 'no-room' {
  const { indexes, limits, bytesMax, drop } = options;

  function total(): number {
    return OUTBOX_CLASSES.reduce((sum, name) => sum + indexes[name].bytes, 0);
  }

  /** The oldest message of the least urgent class below one. */
  function lesserThan(name: OutboxClass): Entry | undefined {
    const below = OUTBOX_CLASSES.slice(OUTBOX_CLASSES.indexOf(name) + 1).reverse();
    for (const other of below) {
      const oldest = oldestOf(indexes[other]);
      if (oldest !== undefined) return oldest;
    }
    return undefined;
  }

  function dropOwn(name: OutboxClass): 'dropped' | 'kept' {
    const oldest = limits[name].overflow === 'drop-newest' ? undefined : oldestOf(indexes[name]);
    if (oldest === undefined) return 'kept';
    drop(oldest, 'overflow');
    return 'dropped';
  }

  function takeFromOthers(name: OutboxClass, bytes: number): 'enough' | 'too-little' {
    let freed = 0;
    do {
      const victim = lesserThan(name);
      if (victim === undefined) return 'too-little';
      drop(victim, 'gave-way');
      freed += victim.bytes;
    } while (freed < bytes);
    return 'enough';
  }

  function fitsOwn(name: OutboxClass, bytes: number): boolean {
    const { messages, bytes: used } = indexes[name];
    return messages < limits[name].messagesMax && used + bytes <= limits[name].bytesMax;
  }

  function makeOwnRoom(name: OutboxClass, bytes: number): boolean {
    if (fitsOwn(name, bytes)) return true;
    if (name === 'alarm' && takeFromOthers(name, bytes) === 'enough') return true;
    while (!fitsOwn(name, bytes)) if (dropOwn(name) === 'kept') return false;
    return true;
  }

  return (name, bytes) => {
    if (bytes > Math.min(limits[name].bytesMax, bytesMax)) return 'no-room';
    if (!makeOwnRoom(name, bytes)) return 'no-room';
    while (total() + bytes > bytesMax) {
      const victim = lesserThan(name);
      if (victim !== undefined) drop(victim, 'gave-way');
      else if (dropOwn(name) === 'kept') return 'no-room';
    }
    return 'fits';
  };
}

function oldestOf({ backlog, live }: ClassIndex): Entry | undefined {
  return backlog.first ?? live.first;
}
