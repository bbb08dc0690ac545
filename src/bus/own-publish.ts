import { LedgeError } from '../std/error.ts';
import type { Message } from './bus.ts';
import { type PublishWay, receivePublish } from './client-publish.ts';
import type { Intake } from './intake.ts';
import { fieldsOf, type PublishFields } from './packet.ts';
import type { Sessions } from './persistence/sessions.ts';
import type { RoutedPublish } from './persistence/stored-packet.ts';
import { checkTopic } from './topics.ts';

/** The part of the broker's library that routes. */
interface Library {
  publish(packet: LibraryPacket, done: (error?: Error | null) => void): void;
}

type LibraryPacket = PublishFields & { cmd: 'publish'; dup: boolean };

/** Where one of the node's own messages goes. */
export interface OwnWay {
  readonly aedes: Library;
  readonly intake: Intake;
  readonly sessions: Sessions;
  readonly payloadBytesMax: number;
}

/**
 * Routes one of the node's own messages to clients and to the node's own subscribers. Resolves once
 * every session that outlives its connection has it on disk, for QoS 1 and 2.
 */
export async function publishOwn(way: OwnWay, message: Message): Promise<void> {
  const { aedes, intake, sessions, payloadBytesMax } = way;
  const { topic, payload } = message;
  checkTopic(topic);
  if (payload.byteLength > payloadBytesMax) {
    const text = `Cannot publish on "${topic}": the payload has ${payload.byteLength} bytes`;
    const context = { topic, bytes: payload.byteLength, bytesMax: payloadBytesMax };
    throw new LedgeError('payload-too-large', `${text}, at most ${payloadBytesMax} are allowed`, {
      context,
    });
  }
  const fields = fieldsOf(message);
  const packet = { cmd: 'publish' as const, dup: false, ...fields };
  const kept = packet.qos === 0 ? undefined : sessions.keep(packet, undefined);
  if (kept !== undefined) await kept;
  const taken = intake.wants(topic)
    ? new Promise<void>((resolve) => intake.takeOwn(fields, resolve))
    : undefined;
  await route(aedes, packet);
  await taken;
}

/** Publishes the will of a client of the last run, as if the client had just gone. */
export async function publishLeftWill(
  aedes: Library,
  way: PublishWay,
  will: RoutedPublish,
): Promise<void> {
  const packet = {
    ...will,
    cmd: 'publish' as const,
    dup: false,
    payload: Buffer.from(will.payload),
  };
  await new Promise<void>((resolve, reject) => {
    const done = (error?: Error | null) => (error ? reject(error) : resolve());
    receivePublish(way, { client: null, packet, done });
  });
  await route(aedes, packet);
}

function route(aedes: Library, packet: LibraryPacket): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    aedes.publish(packet, (cause) => {
      if (cause === undefined || cause === null) resolve();
      else {
        const text = `Cannot route "${packet.topic}": ${cause.message}`;
        reject(new LedgeError('internal', text, { cause }));
      }
    });
  });
}
