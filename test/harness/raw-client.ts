import { connect, type Socket } from 'node:net';
import { generate, type IConnectPacket, type Packet, parser } from 'mqtt-packet';

/** A client that sends exactly the packets a test gives it, over TCP. */
export interface RawClient {
  readonly socket: Socket;
  /** Every packet that came, in order. */
  readonly packets: readonly Packet[];
  send(packet: Packet): void;
  sendBytes(bytes: Uint8Array): void;
  /** The first packet of this kind that came or comes. */
  next(cmd: Packet['cmd']): Promise<Packet>;
  /** Resolves once so many packets of this kind have come. */
  count(cmd: Packet['cmd'], wanted: number): Promise<readonly Packet[]>;
  closed: Promise<void>;
}

interface RawOptions {
  readonly port: number;
  readonly version?: 4 | 5;
  readonly clientId?: string;
  /** Fields of the CONNECT; `none`: it is not sent. */
  readonly connect?: Partial<IConnectPacket> | 'none';
}

/** Connects, and waits for the CONNACK where a CONNECT is sent. */
export async function openRawClient(options: RawOptions): Promise<RawClient> {
  const { port, version = 5, clientId = 'raw', connect: how = {} } = options;
  const protocol = { protocolVersion: version };
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const packets: Packet[] = [];
  const checks = new Set<() => void>();
  const incoming = parser(protocol);
  incoming.on('packet', (packet: Packet) => {
    packets.push(packet);
    for (const check of checks) check();
  });
  socket.on('data', (chunk) => incoming.parse(chunk));
  socket.on('error', () => socket.destroy());
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await new Promise((resolve) => socket.once('connect', resolve));
  const count = async (cmd: Packet['cmd'], wanted: number): Promise<readonly Packet[]> => {
    const found = () => packets.filter((packet) => packet.cmd === cmd);
    if (found().length < wanted) {
      await new Promise<void>((resolve, reject) => {
        const check = () => {
          if (found().length >= wanted) resolve();
        };
        checks.add(check);
        void closed.then(() => reject(new Error(`closed before ${wanted} ${cmd} came`)));
      });
    }
    return found();
  };
  const client: RawClient = {
    socket,
    packets,
    closed,
    count,
    send: (packet) => socket.write(generate(packet, protocol)),
    sendBytes: (bytes) => socket.write(bytes),
    async next(cmd) {
      const [first] = await count(cmd, 1);
      if (first === undefined) throw new Error(`no ${cmd}`);
      return first;
    },
  };
  if (how === 'none') return client;
  client.send({
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: version,
    clientId,
    clean: true,
    keepalive: 0,
    ...how,
  });
  await client.next('connack');
  return client;
}
