import { LedgeError } from '../std/error.ts';
import { decodeMsgpack, encodeMsgpack } from '../std/msgpack.ts';
import { z } from '../std/schema.ts';
import {
  type ClassCounts,
  OUTBOX_CLASSES,
  type OutboxClass,
  type OutboxDropReason,
  type Tally,
} from './outbox-class.ts';

/** What is kept of a message beside its bytes, so that a start reads no payloads. */
export interface OutboxHeader {
  readonly topic: string;
  readonly bytes: number;
  readonly stampMs: number;
  readonly ts: number;
  readonly expiresMs: number | undefined;
}

/** The counters of a class as they are kept, with how far the running time had come. */
export interface KeptCounts extends ClassCounts {
  readonly lastSeq: number;
  readonly runningMs: number;
}

/** Fixed width, so that keys sort by number up to the largest safe integer. */
const SEQ_DIGITS = 16;

const amount = z.number().min(0).max(Number.MAX_SAFE_INTEGER);

const headerSchema = z.tuple([z.string(), amount, amount, z.number(), amount.nullable()]);

const countsSchema = z.strictObject({
  emitted: amount,
  acked: amount,
  lastSeq: amount,
  dropped: z.record(z.string().max(64), amount),
  runningMs: amount,
});

/** Keys of one class: headers apart from bodies, the counters among the ledger's. */
export const outboxKeys = {
  headers: (name: OutboxClass) => `outbox/${name}/`,
  header: (name: OutboxClass, seq: number) => `outbox/${name}/${digits(seq)}`,
  body: (name: OutboxClass, seq: number) => `outbox-body/${name}/${digits(seq)}`,
  counts: (name: OutboxClass) => `ledger/uplink/${name}`,
  /** The number of a header's key; undefined where it is none of ours. */
  seqOf(name: OutboxClass, key: string): number | undefined {
    const text = key.slice(`outbox/${name}/`.length);
    return /^\d{16}$/.test(text) ? Number(text) : undefined;
  },
};

/** A header as bytes. */
export function encodeHeader(header: OutboxHeader): Uint8Array {
  const { topic, bytes, stampMs, ts, expiresMs } = header;
  return encodeMsgpack([topic, bytes, stampMs, ts, expiresMs ?? null]);
}

/** Reads a header. Throws `payload-invalid`. */
export function decodeHeader(value: Uint8Array): OutboxHeader {
  const parsed = headerSchema.safeParse(decodeMsgpack(value));
  if (!parsed.success) {
    throw new LedgeError('payload-invalid', 'Cannot read a message of the outbox: wrong fields');
  }
  const [topic, bytes, stampMs, ts, expires] = parsed.data;
  return { topic, bytes, stampMs, ts, expiresMs: expires ?? undefined };
}

/** Counters as bytes: of what is on disk after the write that they are part of. */
export function encodeCounts(tally: Tally, runningMs: number): Uint8Array {
  const { emitted, unwritten, acked, lastSeq, dropped } = tally;
  const kept: KeptCounts = { emitted: emitted - unwritten, acked, lastSeq, dropped, runningMs };
  return encodeMsgpack(kept);
}

/** Reads counters; undefined where there are none, or none that can be read. */
export function decodeCounts(value: Uint8Array | undefined): KeptCounts | undefined {
  if (value === undefined) return undefined;
  try {
    const parsed = countsSchema.safeParse(decodeMsgpack(value));
    if (!parsed.success) return undefined;
    const { dropped, ...rest } = parsed.data;
    return { ...rest, dropped: dropped as Partial<Record<OutboxDropReason, number>> };
  } catch (error) {
    if (error instanceof LedgeError) return undefined;
    throw error;
  }
}

/** One value for each class. */
export function forEachClass<Value>(
  make: (name: OutboxClass) => Value,
): Readonly<Record<OutboxClass, Value>> {
  const [alarm, state, telemetry, media] = OUTBOX_CLASSES;
  return {
    alarm: make(alarm),
    state: make(state),
    telemetry: make(telemetry),
    media: make(media),
  };
}

function digits(seq: number): string {
  return String(seq).padStart(SEQ_DIGITS, '0');
}
