import { LedgeError } from '../../std/error.ts';
import { decodeMsgpack, encodeMsgpack } from '../../std/msgpack.ts';
import { z } from '../../std/schema.ts';
import type { Message, MessageProperties } from '../bus.ts';

const properties = z.object({
  contentType: z.string().optional(),
  responseTopic: z.string().optional(),
  correlationData: z.instanceof(Uint8Array).optional(),
  payloadFormatIndicator: z.boolean().optional(),
  userProperties: z.record(z.string(), z.union([z.string(), z.array(z.string())])).optional(),
});

const envelope = z.tuple([
  z.union([z.literal(0), z.literal(1), z.literal(2)]),
  z.boolean(),
  properties.nullable(),
  z.instanceof(Uint8Array),
]);

/** A message as the outbox keeps it; its topic and its expiry are kept beside it. */
export function encodeEnvelope(message: Message): Uint8Array {
  const { qos, retain, payload } = message;
  const { messageExpiryInterval: _, ...kept } = message.properties ?? {};
  return encodeMsgpack([qos, retain, Object.keys(kept).length === 0 ? null : kept, payload]);
}

/** Reads a kept message. Throws `payload-invalid`. */
export function decodeEnvelope(topic: string, body: Uint8Array): Message {
  const parsed = envelope.safeParse(decodeMsgpack(body));
  if (!parsed.success) {
    throw new LedgeError('payload-invalid', `Cannot read the kept message on "${topic}"`);
  }
  const [qos, retain, kept, payload] = parsed.data;
  if (kept === null) return { topic, payload, qos, retain };
  const known = Object.entries(kept).filter(([, value]) => value !== undefined);
  return {
    topic,
    payload,
    qos,
    retain,
    properties: Object.fromEntries(known) as MessageProperties,
  };
}
