import { connect, createServer, type Socket } from 'node:net';

/** How a broker that speaks no MQTT 5 answers a CONNECT of it. */
export type Refusal = 'code 0x84' | 'code 1' | 'hang up';

/** A hop between a client and a broker that can be cut, and that can refuse MQTT 5. */
export interface MqttProxy {
  readonly url: string;
  /** The protocol level of each CONNECT that came, in order: 5, or 4 for MQTT 3.1.1. */
  readonly levels: readonly number[];
  /** Ends every connection at once, without a word of MQTT. */
  cut(): void;
  remove(): Promise<void>;
}

/** Starts one in front of a broker's port; with a refusal it passes MQTT 3.1.1 only. */
export async function startProxy(port: number, refusal?: Refusal): Promise<MqttProxy> {
  const levels: number[] = [];
  const sockets = new Set<Socket>();
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
  };
  const server = createServer({ noDelay: true }, (socket) => {
    keep(socket);
    socket.once('data', (first) => {
      const level = protocolLevel(first);
      levels.push(level);
      if (level === 5 && refusal !== undefined) {
        refuse(socket, refusal);
        return;
      }
      const behind = connect({ port, host: '127.0.0.1', noDelay: true });
      keep(behind);
      behind.on('close', () => socket.destroy());
      socket.on('close', () => behind.destroy());
      behind.write(first);
      socket.pipe(behind).pipe(socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `mqtt://127.0.0.1:${address.port}`,
    levels,
    cut,
    async remove() {
      const closed = new Promise((resolve) => server.close(resolve));
      cut();
      await closed;
    },
  };
}

function refuse(socket: Socket, refusal: Refusal): void {
  if (refusal === 'code 0x84') socket.end(Buffer.from([0x20, 3, 0, 0x84, 0]));
  else if (refusal === 'code 1') socket.end(Buffer.from([0x20, 2, 0, 1]));
  else socket.destroy();
}

/** Behind the fixed header and the protocol name "MQTT" [MQTT 3.1.2.2]. */
function protocolLevel(packet: Buffer): number {
  let at = 1;
  while (((packet[at] ?? 0) & 0x80) !== 0) at += 1;
  return packet[at + 1 + 6] ?? 0;
}
