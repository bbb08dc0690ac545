import { decodeMsgpack, encodeMsgpack } from '../../std/msgpack.ts';
import { z } from '../../std/schema.ts';
import { copyUserProperties } from '../guard/properties.ts';
import type { PublishProperties } from '../packet.ts';
import type { StoredPacket } from './stored-packet.ts';

const bytes = z.custom<Buffer>((value) => value instanceof Uint8Array).transform(bufferOf);

const qos = z.union([z.literal(0), z.literal(1), z.literal(2)]);

const properties = z.strictObject({
  payloadFormatIndicator: z.boolean().optional(),
  messageExpiryInterval: z.int().min(0).optional(),
  responseTopic: z.string().optional(),
  correlationData: bytes.optional(),
  userProperties: z.record(z.string(), z.union([z.string(), z.array(z.string())])).optional(),
  contentType: z.string().optional(),
});

const message = {
  topic: z.string().min(1),
  payload: bytes,
  retain: z.boolean(),
  properties: properties.optional(),
};

const packetId = z.int().min(1).max(65_535);

const entrySchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('message'),
    id: packetId,
    identifiers: z.array(z.int()).optional(),
    qos: z.union([z.literal(1), z.literal(2)]),
    expiresAt: z.number().optional(),
    ...message,
  }),
  z.strictObject({ kind: z.literal('released'), id: packetId }),
]);

const sessionSchema = z.strictObject({
  id: z.string(),
  expirySeconds: z.number().min(0),
  /** When it ends, in milliseconds since 1970; absent while its client is connected. */
  endsAt: z.number().optional(),
  /** Entries up to this one were sent before. */
  triedThrough: z.number(),
  subscriptions: z.array(
    z.strictObject({
      topic: z.string().min(1),
      qos,
      rh: z.int().optional(),
      rap: z.boolean().optional(),
      nl: z.boolean().optional(),
      subscriptionIdentifier: z.int().optional(),
    }),
  ),
});

const willSchema = z.strictObject({
  clientId: z.string(),
  qos,
  delaySeconds: z.number().min(0),
  ...message,
});

const retainedSchema = z.strictObject({ qos, expiresAt: z.number().optional(), ...message });

/** One entry of a session's queue on disk. */
export type EntryRecord = z.infer<typeof entrySchema>;
/** A session without its queue. */
export type SessionRecord = z.infer<typeof sessionSchema>;
/** The last will of a client that was connected. */
export type WillRecord = z.infer<typeof willSchema>;
/** A retained message. */
export type RetainedRecord = z.infer<typeof retainedSchema>;

/** A record as bytes; what is undefined is left out. */
export function encodeRecord(
  record: EntryRecord | SessionRecord | WillRecord | RetainedRecord,
): Uint8Array {
  return encodeMsgpack(withoutUndefined(record));
}

/** Each gives undefined for bytes that are no such record. */
export const decodeEntry = decoder(entrySchema);
export const decodeSession = decoder(sessionSchema);
export const decodeWill = decoder(willSchema);
export const decodeRetained = decoder(retainedSchema);

function decoder<Output>(schema: z.ZodType<Output>): (value: Uint8Array) => Output | undefined {
  return (value) => {
    try {
      return schema.parse(decodeMsgpack(value));
    } catch {
      return undefined;
    }
  };
}

/** The properties that are kept, of whatever the broker's library has among them. */
export function keptProperties(from: PublishProperties | undefined): PublishProperties | undefined {
  const kept: PublishProperties = {};
  if (from?.payloadFormatIndicator !== undefined) {
    kept.payloadFormatIndicator = from.payloadFormatIndicator;
  }
  if (from?.messageExpiryInterval !== undefined) {
    kept.messageExpiryInterval = from.messageExpiryInterval;
  }
  if (from?.responseTopic !== undefined) kept.responseTopic = from.responseTopic;
  if (from?.correlationData !== undefined) kept.correlationData = from.correlationData;
  if (from?.userProperties !== undefined) {
    kept.userProperties = copyUserProperties(from.userProperties);
  }
  if (from?.contentType !== undefined) kept.contentType = from.contentType;
  return Object.keys(kept).length === 0 ? undefined : kept;
}

/** The message of an entry that was read. */
export function packetOf(record: Extract<EntryRecord, { kind: 'message' }>): StoredPacket {
  const { topic, payload, retain, identifiers } = record;
  const properties = keptProperties(record.properties as PublishProperties | undefined);
  return {
    topic,
    payload,
    retain,
    ...(properties !== undefined && { properties }),
    ...(identifiers !== undefined && { identifiers }),
  };
}

function withoutUndefined(record: object): object {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined));
}

function bufferOf(value: Uint8Array): Buffer {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}
