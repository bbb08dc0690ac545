import { connect as connectTcp, type Socket } from 'node:net';
import {
  generate,
  type IConnackPacket,
  type IConnectPacket,
  type IPublishPacket,
  type ISubackPacket,
  type ISubscription,
  type IUnsubackPacket,
  type Packet,
  parser,
} from 'mqtt-packet';

/** A fact that does not come in this time does not come: a test must end. */
const WAIT_MS_MAX = 8_000;

type Cmd = Packet['cmd'];
type Of<Kind extends Cmd> = Extract<Packet, { cmd: Kind }>;

/** What a test's client is to be. */
export interface WireOptions {
  readonly version?: 4 | 5;
  readonly clientId?: string;
  /** `by hand`: the test sends its own acknowledgements. */
  readonly acks?: 'automatic' | 'by hand';
  readonly connect?: Partial<IConnectPacket>;
}

/** A client that speaks MQTT packet by packet over TCP, and remembers everything it gets. */
export interface WireClient {
  readonly socket: Socket;
  readonly version: 4 | 5;
  readonly connack: IConnackPacket;
  /** Every byte that came. */
  readonly bytes: Buffer;
  /** Every PUBLISH that came. */
  readonly messages: readonly IPublishPacket[];
  send(packet: Packet): void;
  sendBytes(bytes: Iterable<number>): void;
  /** The next packet of this kind that was not taken yet. */
  take<Kind extends Cmd>(cmd: Kind): Promise<Of<Kind>>;
  subscribe(filters: string | ISubscription[], properties?: object): Promise<ISubackPacket>;
  unsubscribe(...filters: string[]): Promise<IUnsubackPacket>;
  /** Publishes and waits for the exchange to end; gives the first answer. */
  publish(packet: Partial<IPublishPacket> & { topic: string }): Promise<Packet | undefined>;
  /** The next message on this topic, past or to come, that was not taken yet. */
  message(topic: string): Promise<IPublishPacket>;
  /** Resolves when the other side has closed. */
  readonly ended: Promise<void>;
  /** The DISCONNECT that the server sent before it closed; undefined: it only closed. */
  farewell(): Promise<Of<'disconnect'> | undefined>;
  /** Says good-bye and waits for the end. */
  leave(properties?: object): Promise<void>;
  /** Breaks the connection, as a power cut would. */
  cut(): void;
}

/** Opens a TCP connection without any packet. */
export async function openWire(port: number, options: WireOptions = {}): Promise<WireClient> {
  const { version = 5, acks = 'automatic' } = options;
  const protocol = { protocolVersion: version };
  const socket = connectTcp({ port, host: '127.0.0.1', noDelay: true });
  const untaken: Packet[] = [];
  const messages: IPublishPacket[] = [];
  const unread: IPublishPacket[] = [];
  let bytes = Buffer.alloc(0);
  let closed = false;
  let connack: IConnackPacket | undefined;
  let nextId = 0;
  const checks = new Set<() => void>();
  const recheck = () => {
    for (const check of [...checks]) check();
  };
  const incoming = parser(protocol);
  incoming.on('packet', (packet: Packet) => {
    untaken.push(packet);
    if (packet.cmd === 'connack') connack = packet;
    if (packet.cmd === 'publish') {
      messages.push(packet);
      unread.push(packet);
      if (acks === 'automatic' && packet.qos > 0) {
        send({ cmd: packet.qos === 1 ? 'puback' : 'pubrec', messageId: packet.messageId ?? 0 });
      }
    }
    if (acks === 'automatic' && packet.cmd === 'pubrel') {
      send({ cmd: 'pubcomp', messageId: packet.messageId ?? 0 });
    }
    recheck();
  });
  incoming.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
    incoming.parse(chunk);
  });
  socket.on('error', () => socket.destroy());
  const ended = new Promise<void>((resolve) =>
    socket.once('close', () => {
      closed = true;
      recheck();
      resolve();
    }),
  );
  await new Promise((resolve) => socket.once('connect', resolve));

  function send(packet: Packet): void {
    if (!socket.destroyed) socket.write(generate(packet, protocol));
  }

  function until<Found>(what: string, find: () => Found | undefined): Promise<Found> {
    return new Promise((resolve, reject) => {
      const fail = (why: string) => {
        clearTimeout(timer);
        checks.delete(check);
        reject(new Error(`${what} did not come: ${why}`));
      };
      const timer = setTimeout(() => fail('the time is over'), WAIT_MS_MAX);
      const check = () => {
        const found = find();
        if (found === undefined) {
          if (closed) fail('the connection is closed');
          return;
        }
        clearTimeout(timer);
        checks.delete(check);
        resolve(found);
      };
      checks.add(check);
      check();
    });
  }

  function takeFrom<Kind extends Cmd>(cmd: Kind): Of<Kind> | undefined {
    const at = untaken.findIndex((packet) => packet.cmd === cmd);
    return at === -1 ? undefined : (untaken.splice(at, 1)[0] as Of<Kind>);
  }

  const client: WireClient = {
    socket,
    version,
    messages,
    ended,
    send,
    get bytes() {
      return bytes;
    },
    get connack() {
      if (connack === undefined) throw new Error('no CONNACK came');
      return connack;
    },
    sendBytes: (raw) => socket.write(Uint8Array.from(raw)),
    take: (cmd) => until(cmd, () => takeFrom(cmd)),
    async subscribe(filters, properties) {
      nextId += 1;
      const subscriptions = typeof filters === 'string' ? [{ topic: filters, qos: 2 }] : filters;
      const packet = { cmd: 'subscribe', messageId: nextId, subscriptions } as Packet;
      send(properties === undefined ? packet : ({ ...packet, properties } as Packet));
      return client.take('suback');
    },
    async unsubscribe(...unsubscriptions) {
      nextId += 1;
      send({ cmd: 'unsubscribe', messageId: nextId, unsubscriptions });
      return client.take('unsuback');
    },
    async publish(packet) {
      const qos = packet.qos ?? 0;
      nextId += 1;
      const messageId = qos > 0 ? { messageId: nextId } : {};
      const defaults = { cmd: 'publish', payload: '', qos, dup: false, retain: false } as const;
      send({ ...defaults, ...messageId, ...packet });
      if (qos === 0) return undefined;
      if (qos === 1) return client.take('puback');
      const answer = await client.take('pubrec');
      if ((answer.reasonCode ?? 0) >= 0x80) return answer;
      send({ cmd: 'pubrel', messageId: answer.messageId ?? 0 });
      await client.take('pubcomp');
      return answer;
    },
    message: (topic) =>
      until(`a message on ${topic}`, () => {
        const at = unread.findIndex((packet) => packet.topic === topic);
        return at === -1 ? undefined : unread.splice(at, 1)[0];
      }),
    async farewell() {
      await until('the end', () => (closed ? true : undefined));
      return takeFrom('disconnect');
    },
    async leave(properties) {
      const packet: Packet = { cmd: 'disconnect' };
      send(properties === undefined ? packet : { ...packet, reasonCode: 0, properties });
      await until('the end', () => (closed ? true : undefined));
    },
    cut: () => socket.resetAndDestroy(),
  };
  return client;
}

/** Opens a connection, sends a CONNECT and waits for the CONNACK, whatever it says. */
export async function connectWire(port: number, options: WireOptions = {}): Promise<WireClient> {
  const { version = 5, clientId = 'wire' } = options;
  const client = await openWire(port, options);
  client.send({
    ...{ cmd: 'connect', protocolId: 'MQTT', protocolVersion: version },
    ...{ clientId, clean: true, keepalive: 0 },
    ...options.connect,
  } as IConnectPacket);
  await client.take('connack');
  return client;
}
