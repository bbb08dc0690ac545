import { LedgeError } from '../std/error.ts';
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
  /** Client id and packet id, by which the message is known when its publisher sends it again. */
  readonly sender?: readonly [string, number];
  /** It came marked as sent again: its first copy may be in the journal as well. */
  readonly again?: true;
}

/** The MQTT 5 properties that an event keeps. */
export interface JournalProperties {
  readonly contentType?: string;
  readonly responseTopic?: string;
  readonly correlationData?: Uint8Array;
  readonly payloadFormatIndicator?: boolean;
  readonly userProperties?: Readonly<Record<string, string | string[]>>;
}

/** Length of the header, which is JSON, in front of it; the payload follows as it is. */
const LENGTH_BYTES = 4;
/** UTF-8 takes at most so many bytes for one unit of a text. */
const UTF8_BYTES_MAX = 3;
/** MQTT's own limit of a text. */
const TEXT_LENGTH_MAX = 65_535;
/** Base64 of that many bytes. */
const BASE64_LENGTH_MAX = 87_380;
const text = z.string().max(TEXT_LENGTH_MAX);

const headerSchema = z.strictObject({
  id: z.string().min(1).max(256),
  ts: z.number(),
  topic: text,
  qos: z.union([z.literal(0), z.literal(1), z.literal(2)]),
  expiresAt: z.number().optional(),
  sender: z.tuple([text, z.int()]).optional(),
  again: z.literal(true).optional(),
  properties: z
    .strictObject({
      contentType: text.optional(),
      responseTopic: text.optional(),
      correlationData: z.string().max(BASE64_LENGTH_MAX).optional(),
      payloadFormatIndicator: z.boolean().optional(),
      userProperties: z.record(text, z.union([text, z.array(text)])).optional(),
    })
    .optional(),
});

/** Records as they lie in the journal, one after the other in one buffer, each behind its length. */
export function encodeRecords(records: readonly JournalRecord[]): Uint8Array {
  const headers = records.map(headerOf);
  let bytesMax = 0;
  for (const [at, { payload }] of records.entries()) {
    const header = (headers[at] as string).length * UTF8_BYTES_MAX;
    bytesMax += 2 * LENGTH_BYTES + header + payload.byteLength;
  }
  const bytes = Buffer.allocUnsafe(bytesMax);
  let at = 0;
  for (const [index, { payload }] of records.entries()) {
    const headerAt = at + 2 * LENGTH_BYTES;
    const headerBytes = bytes.write(headers[index] as string, headerAt);
    bytes.set(payload, headerAt + headerBytes);
    bytes.writeUInt32LE(LENGTH_BYTES + headerBytes + payload.byteLength, at);
    bytes.writeUInt32LE(headerBytes, at + LENGTH_BYTES);
    at = headerAt + headerBytes + payload.byteLength;
  }
  return bytes.subarray(0, at);
}

/** One record, without the length in front of it. */
export function encodeRecord(record: JournalRecord): Uint8Array {
  return encodeRecords([record]).subarray(LENGTH_BYTES);
}

function headerOf({ payload: _, ...header }: JournalRecord): string {
  const { properties } = header;
  if (properties?.correlationData === undefined) return JSON.stringify(header);
  const correlationData = Buffer.from(properties.correlationData).toString('base64');
  return JSON.stringify({ ...header, properties: { ...properties, correlationData } });
}

/** The bytes of each record, sharing memory; undefined where their lengths do not fit. */
export function splitRecords(bytes: Uint8Array): Uint8Array[] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const records: Uint8Array[] = [];
  for (let at = 0; at < bytes.byteLength; ) {
    if (at + LENGTH_BYTES > bytes.byteLength) return undefined;
    const end = at + LENGTH_BYTES + view.getUint32(at, true);
    if (end > bytes.byteLength) return undefined;
    records.push(bytes.subarray(at + LENGTH_BYTES, end));
    at = end;
  }
  return records;
}

/** Reads one record; its payload shares memory with the bytes. Throws LedgeError payload-invalid. */
export function decodeRecord(bytes: Uint8Array): JournalRecord {
  if (bytes.byteLength < LENGTH_BYTES) throw invalid('it has no header');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = LENGTH_BYTES + view.getUint32(0, true);
  if (end > bytes.byteLength) throw invalid('its header is cut short');
  const parsed = headerSchema.safeParse(parseHeader(bytes.subarray(LENGTH_BYTES, end)));
  if (!parsed.success) throw invalid(parsed.error.issues[0]?.message ?? 'its header does not fit');
  const { properties, ...fields } = parsed.data;
  const header = fields as Omit<JournalRecord, 'payload' | 'properties'>;
  const payload = bytes.subarray(end);
  if (properties === undefined) return { ...header, payload };
  const { correlationData, ...rest } = properties;
  return {
    ...header,
    payload,
    properties: {
      ...(rest as JournalProperties),
      ...(correlationData !== undefined && {
        correlationData: Buffer.from(correlationData, 'base64'),
      }),
    },
  };
}

function parseHeader(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString());
  } catch (error) {
    throw invalid((error as Error).message);
  }
}

function invalid(problem: string): LedgeError {
  return new LedgeError('payload-invalid', `Cannot read an entry of the journal: ${problem}`);
}
