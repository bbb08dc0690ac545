import { LedgeError } from '../std/error.ts';
import { decodeMsgpack, encodeMsgpack } from '../std/msgpack.ts';
import { z } from '../std/schema.ts';

/** One event as it arrived: what is needed to let it happen once more. */
export interface JournalRecord {
  /** Of the event and of its results, however often they come. */
  readonly id: string;
  /** Arrival, milliseconds since 1970. */
  readonly ts: number;
  /** The message's own expiry, milliseconds since 1970. */
  readonly expiresAt?: number;
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  readonly payload: Uint8Array;
  readonly properties?: JournalProperties;
}

/** The MQTT 5 properties that an event keeps. */
export interface JournalProperties {
  readonly contentType?: string;
  readonly responseTopic?: string;
  readonly correlationData?: Uint8Array;
  readonly payloadFormatIndicator?: boolean;
  readonly userProperties?: Readonly<Record<string, string | string[]>>;
}

/** Length of the header, which is MessagePack, in front of it; the payload follows as it is. */
const LENGTH_BYTES = 4;
/** MQTT's own limit of a text. */
const TEXT_LENGTH_MAX = 65_535;
const text = z.string().max(TEXT_LENGTH_MAX);

const headerSchema = z.strictObject({
  id: z.string().min(1).max(256),
  ts: z.number(),
  topic: text,
  qos: z.union([z.literal(0), z.literal(1), z.literal(2)]),
  expiresAt: z.number().optional(),
  properties: z
    .strictObject({
      contentType: text.optional(),
      responseTopic: text.optional(),
      correlationData: z.instanceof(Uint8Array).optional(),
      payloadFormatIndicator: z.boolean().optional(),
      userProperties: z.record(text, z.union([text, z.array(text)])).optional(),
    })
    .optional(),
});

/** A record as it lies in the journal. */
export function encodeRecord({ payload, ...fields }: JournalRecord): Uint8Array {
  const header = encodeMsgpack(fields);
  const bytes = Buffer.allocUnsafe(LENGTH_BYTES + header.byteLength + payload.byteLength);
  bytes.writeUInt32LE(header.byteLength, 0);
  bytes.set(header, LENGTH_BYTES);
  bytes.set(payload, LENGTH_BYTES + header.byteLength);
  return bytes;
}

/** Reads a record; its payload shares memory with the bytes. Throws LedgeError payload-invalid. */
export function decodeRecord(bytes: Uint8Array): JournalRecord {
  if (bytes.byteLength < LENGTH_BYTES) throw invalid('it has no header');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = LENGTH_BYTES + view.getUint32(0, true);
  if (end > bytes.byteLength) throw invalid('its header is cut short');
  const header = headerSchema.safeParse(decodeMsgpack(bytes.subarray(LENGTH_BYTES, end)));
  if (!header.success) throw invalid(header.error.issues[0]?.message ?? 'its header does not fit');
  return { ...(header.data as Omit<JournalRecord, 'payload'>), payload: bytes.subarray(end) };
}

function invalid(problem: string): LedgeError {
  return new LedgeError('payload-invalid', `Cannot read an entry of the journal: ${problem}`);
}
