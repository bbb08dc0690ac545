import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import {
  connectFrame,
  createPacketReader,
  PACKET,
  type Protocol,
  parseConnack,
  parsePublish,
  pubackFrame,
  type ReceivedPublish,
  subscribeFrame,
} from './mqtt-frame.ts';

export interface ConnectionOptions {
  readonly address: Address;
  readonly protocol: Protocol;
  readonly client: string;
  /** Subscribed at this QoS before `openConnection` resolves. */
  readonly filters?: readonly string[];
  readonly qos?: 0 | 1;
  readonly onPublish?: (message: ReceivedPublish) => void;
  readonly onPuback?: (packetId: number) => void;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface Connection {
  readonly socket: Socket;
  /** How many QoS 1 messages may be unacknowledged at a time. */
  readonly receiveMaximum: number;
  close(): void;
}

/** The broker answers CONNECT and SUBSCRIBE within this time, or there is no broker. */
const ANSWER_MS_MAX = 10_000;

/** Parses mqtt://127.0.0.1:1883. */
export function addressOf(url: string): Address {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port || 1883) };
}

/** Connects with TCP_NODELAY and subscribes. As little code as can be between socket and caller. */
export async function openConnection(options: ConnectionOptions): Promise<Connection> {
  const { address, protocol, client, filters = [], qos = 0, onPublish, onPuback } = options;
  const socket = connect({ ...address, noDelay: true });
  const signal = AbortSignal.timeout(ANSWER_MS_MAX);
  await once(socket, 'connect', { signal });
  let receiveMaximum = 0;
  let awaited = filters.length > 0 ? 2 : 1;
  const ready = new Promise<void>((resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error(`No answer from ${address.port}`)));
    const answered = (): void => {
      awaited -= 1;
      if (awaited === 0) resolve();
    };
    const read = createPacketReader((type, flags, body) => {
      if (type === PACKET.publish) {
        const message = parsePublish(protocol, flags, body);
        if (message.packetId !== 0) socket.write(pubackFrame(message.packetId));
        onPublish?.(message);
      } else if (type === PACKET.puback) onPuback?.(body.readUInt16BE(0));
      else if (type === PACKET.connack) {
        receiveMaximum = parseConnack(protocol, body);
        answered();
      } else if (type === PACKET.suback) {
        if (body.at(-1)! > 1) throw new Error(`Cannot subscribe: reason code ${body.at(-1)}`);
        answered();
      }
    });
    socket.on('data', (chunk: Buffer) => {
      try {
        read(chunk);
      } catch (error) {
        socket.destroy(error instanceof Error ? error : new Error(String(error)));
        reject(error);
      }
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`The broker at ${address.port} hung up`)));
  });
  socket.write(connectFrame(protocol, client));
  if (filters.length > 0) socket.write(subscribeFrame(protocol, filters, qos));
  await ready;
  return {
    socket,
    receiveMaximum,
    close: () => {
      socket.end(Buffer.of(0xe0, 0));
      socket.unref();
    },
  };
}
