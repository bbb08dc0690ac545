import { readFileSync } from 'node:fs';
import { addressOf, openConnection } from './connection.ts';
import type { Load } from './load.ts';
import { createNoise } from './models.ts';
import { type PublishHeader, publishHeader, type ReceivedPublish } from './mqtt-frame.ts';

/** Up to here one copy of header and payload together is cheaper than two buffers in one write. */
const JOINED_BYTES_MAX = 16 * 1024;
/** Different payloads, so that no cache of anything flatters a system. */
const PAYLOADS = 8;
/** Events are kept whole for so many devices: 8 MiB of small ones. */
const WHOLE_DEVICES_MAX = 4096;
const DIGIT_0 = 48;
const DIGIT_9 = 57;
const SLASH = 47;

/** What comes back from the system under test. */
export interface LinkHandlers {
  onResult(device: number, sequence: number | undefined): void;
  /** A drop or a dead letter that the system published instead of a result. */
  onDeclared(reason: string, count: number): void;
  onPuback(packetId: number): void;
}

/** The generator's two connections: events go out on one, results come in on the other. */
export interface Link {
  /** How many QoS 1 events may be unacknowledged at a time. */
  readonly receiveMaximum: number;
  /** Bytes that the broker has not taken yet. */
  backlogBytes(): number;
  /** `sequence` travels as correlation data on MQTT 5, `packetId` at QoS 1. */
  publish(device: number, sequence: number, packetId: number): void;
  close(): void;
}

export async function openLink(load: Load, handlers: LinkHandlers): Promise<Link> {
  const address = addressOf(load.url);
  const { protocol, qos } = load;
  const results = await openConnection({
    address,
    protocol,
    qos,
    client: `load-${process.pid}-results`,
    filters: load.results,
    onPublish: (message) => dispatch(message, handlers),
  });
  const events = await openConnection({
    address,
    protocol,
    client: `load-${process.pid}-events`,
    onPuback: handlers.onPuback,
  });
  const { socket } = events;
  const payloads = payloadsOf(load);
  const headers = headersOf(load, payloads[0]!.length);
  const joined = payloads[0]!.length <= JOINED_BYTES_MAX;
  const few = load.devices <= WHOLE_DEVICES_MAX;
  const fixed = protocol === 4 && qos === 0 && joined && few;
  const whole = fixed ? headers.map((header, at) => join(header.bytes, payloads, at)) : [];
  let corked = false;
  /** What is published in one turn of the event loop leaves in one system call. */
  const cork = (): void => {
    corked = true;
    socket.cork();
    process.nextTick(() => {
      corked = false;
      socket.uncork();
    });
  };
  return {
    receiveMaximum: events.receiveMaximum,
    backlogBytes: () => socket.writableLength,
    publish(device, sequence, packetId) {
      if (!corked) cork();
      if (fixed) {
        socket.write(whole[device]!);
        return;
      }
      const header = headers[device]!;
      const bytes = joined ? join(header.bytes, payloads, device) : Buffer.from(header.bytes);
      if (header.packetIdAt >= 0) bytes.writeUInt16BE(packetId, header.packetIdAt);
      if (header.correlationAt >= 0) bytes.writeUInt32BE(sequence, header.correlationAt);
      socket.write(bytes);
      if (!joined) socket.write(payloads[device % PAYLOADS]!);
    },
    close() {
      results.close();
      events.close();
    },
  };
}

/** Results end in `.../d<number>`; whatever else comes on these topics is a declared loss. */
function dispatch(message: ReceivedPublish, handlers: LinkHandlers): void {
  const { body, topicEnd } = message;
  let device = 0;
  let scale = 1;
  let at = topicEnd - 1;
  for (; at > 2 && body[at]! >= DIGIT_0 && body[at]! <= DIGIT_9; at -= 1) {
    device += (body[at]! - DIGIT_0) * scale;
    scale *= 10;
  }
  if (scale > 1 && body[at - 1] === SLASH) {
    handlers.onResult(device, message.correlation);
    return;
  }
  const topic = body.toString('utf8', 2, topicEnd);
  const told: unknown = JSON.parse(body.toString('utf8', message.payloadAt));
  const { reason, count } = told as { reason?: unknown; count?: unknown };
  const kind = topic.slice(topic.lastIndexOf('/') + 1);
  const why = typeof reason === 'string' ? `${kind}: ${reason}` : kind;
  handlers.onDeclared(why, typeof count === 'number' ? count : 1);
}

function headersOf(load: Load, payloadBytes: number): readonly PublishHeader[] {
  const { protocol, qos } = load;
  return Array.from({ length: load.devices }, (_, device) => {
    const topic = load.publish.replace('{device}', `d${device}`);
    return publishHeader({ protocol, qos, topic, payloadBytes });
  });
}

function payloadsOf({ payload }: Load): readonly Buffer[] {
  if ('file' in payload) return Array<Buffer>(PAYLOADS).fill(readFileSync(payload.file));
  return Array.from({ length: PAYLOADS }, (_, seed) => {
    const next = createNoise(seed);
    const floats = Float32Array.from({ length: payload.floats }, () => next() * 2 - 1);
    return Buffer.from(floats.buffer);
  });
}

function join(header: Buffer, payloads: readonly Buffer[], device: number): Buffer {
  return Buffer.concat([header, payloads[device % PAYLOADS]!]);
}
