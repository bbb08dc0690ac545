import type { Clock } from '../../std/clock.ts';
import type { PublishProperties } from '../packet.ts';
import { KEYS, keyOf, type SessionDisk } from './session-disk.ts';
import { decodeWill, encodeRecord, keptProperties, type WillRecord } from './session-record.ts';
import { ownBytes, type RoutedPublish } from './stored-packet.ts';

/** A will as the broker's library has it. */
export type Will = RoutedPublish & {
  readonly properties?: PublishProperties & { readonly willDelayInterval?: number };
};

/** The last wills of the clients that are or were connected. */
export interface Wills {
  /**
   * Resolves once it is on disk, unless the disk fails. `expirySeconds` ends the delay of the will,
   * too [MQTT-3.1.3-9].
   */
  put(clientId: string, will: Will, expirySeconds: number): Promise<void>;
  get(clientId: string): Will | undefined;
  /** Also calls off a will of the last run that waits. */
  delete(clientId: string): Promise<void>;
  /** Takes one record that was read from disk; false where it is none. */
  restore(key: string, value: Uint8Array): boolean;
  /** Publishes, each after its delay, the wills whose clients ended with the last run. */
  begin(): void;
  /** Calls off what waits; it stays on disk. */
  close(): void;
}

interface WillsOptions {
  readonly disk: SessionDisk;
  readonly clock: Clock;
  /** Resolves when the will was routed. */
  readonly publish: (will: RoutedPublish) => Promise<void>;
}

/** Creates the wills of one broker. */
export function createWills({ disk, clock, publish }: WillsOptions): Wills {
  const wills = new Map<string, Will>();
  const left = new Map<string, WillRecord>();
  const waits = new Map<string, () => void>();

  function forget(clientId: string): Promise<void> {
    left.delete(clientId);
    waits.get(clientId)?.();
    waits.delete(clientId);
    const written = disk.insist([{ kind: 'delete', key: KEYS.will(keyOf(clientId)) }]);
    return disk.ready ? written : Promise.resolve();
  }

  async function fire(record: WillRecord): Promise<void> {
    waits.delete(record.clientId);
    if (!left.delete(record.clientId)) return;
    await publish(packetOf(record));
    // A client that came back meanwhile has a will of its own.
    if (!wills.has(record.clientId)) await forget(record.clientId);
  }

  return {
    put(clientId, will, expirySeconds) {
      wills.set(clientId, will);
      const delaySeconds = Math.min(will.properties?.willDelayInterval ?? 0, expirySeconds);
      const record: WillRecord = {
        clientId,
        topic: will.topic,
        payload: ownBytes(will.payload ?? ''),
        qos: will.qos,
        retain: will.retain,
        properties: keptProperties(will.properties),
        delaySeconds,
      };
      const value = encodeRecord(record);
      const written = disk.insist([{ kind: 'put', key: KEYS.will(keyOf(clientId)), value }]);
      // A full disk must not keep clients out.
      return disk.ready ? written : Promise.resolve();
    },
    get: (clientId) => wills.get(clientId),
    delete(clientId) {
      if (!wills.delete(clientId) && !left.has(clientId)) return Promise.resolve();
      return forget(clientId);
    },
    restore(key, value) {
      const record = decodeWill(value);
      if (record === undefined || KEYS.will(keyOf(record.clientId)) !== key) return false;
      left.set(record.clientId, record);
      return true;
    },
    begin() {
      for (const record of left.values()) {
        const go = () => void fire(record).catch(() => undefined);
        waits.set(record.clientId, clock.after(record.delaySeconds * 1000, go));
      }
    },
    close() {
      for (const callOff of waits.values()) callOff();
      waits.clear();
    },
  };
}

function packetOf({ topic, payload, qos, retain, properties }: WillRecord): RoutedPublish {
  const kept = keptProperties(properties as PublishProperties | undefined);
  return { topic, payload, qos, retain, ...(kept !== undefined && { properties: kept }) };
}
