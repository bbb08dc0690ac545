import { connect, type Socket } from 'node:net';
import { generate, type IConnackPacket, type Packet, parser } from 'mqtt-packet';
import type { Random } from './random.ts';

/** A client's connection that comes back whatever happens to it, with the same session. */
export interface Link {
  readonly up: boolean;
  /** Times it was up. */
  readonly connects: number;
  /** Sends where it is up; false where it is not. */
  send(packet: Packet): boolean;
  /** Cuts the connection without a word; it comes back by itself. */
  cut(): void;
  close(): Promise<void>;
}

export interface LinkOptions {
  readonly port: number;
  readonly clientId: string;
  readonly protocol?: 4 | 5;
  readonly random: Random;
  onUp(connack: IConnackPacket): void;
  onPacket(packet: Packet): void;
}

/** Between two attempts, and as much again by chance. */
const RETRY_MS = 50;
const KEEPALIVE_S = 5;
/** Without a byte from the broker for this long, although pinged, the connection is dead. */
const SILENCE_MS_MAX = 12_000;
const SESSION_EXPIRY_S = 3600;

/** Opens a link with a persistent session; it connects in the background. */
export function openLink(options: LinkOptions): Link {
  const { port, clientId, protocol = 5, random } = options;
  const version = { protocolVersion: protocol };
  let socket: Socket | undefined;
  let up = false;
  let connects = 0;
  let closed = false;
  let heardAt = 0;
  let timer: NodeJS.Timeout | undefined;

  function attempt(): void {
    const mine = connect({ port, host: '127.0.0.1', noDelay: true });
    const incoming = parser(version);
    socket = mine;
    heardAt = performance.now();
    incoming.on('packet', (packet: Packet) => {
      if (packet.cmd === 'connack') open(packet);
      else options.onPacket(packet);
    });
    incoming.on('error', () => mine.destroy());
    mine.on('data', (chunk) => {
      heardAt = performance.now();
      if (mine === socket) incoming.parse(chunk);
    });
    mine.on('connect', () => mine.write(hello()));
    mine.on('error', () => mine.destroy());
    mine.on('close', () => {
      if (mine !== socket) return;
      up = false;
      socket = undefined;
      if (!closed) timer = setTimeout(attempt, RETRY_MS * (1 + random.next()));
    });
  }

  function open(connack: IConnackPacket): void {
    if ((connack.reasonCode ?? connack.returnCode ?? 0) !== 0) {
      socket?.destroy();
      return;
    }
    up = true;
    connects += 1;
    options.onUp(connack);
  }

  function hello(): Buffer {
    const properties = protocol === 5 ? { sessionExpiryInterval: SESSION_EXPIRY_S } : {};
    return generate(
      {
        cmd: 'connect',
        protocolId: 'MQTT',
        protocolVersion: protocol,
        clientId,
        clean: false,
        keepalive: KEEPALIVE_S,
        properties,
      },
      version,
    );
  }

  const ping = setInterval(() => {
    if (performance.now() - heardAt > SILENCE_MS_MAX) socket?.destroy();
    else if (up) socket?.write(generate({ cmd: 'pingreq' }, version));
  }, KEEPALIVE_S * 500);
  attempt();
  return {
    get up() {
      return up;
    },
    get connects() {
      return connects;
    },
    send(packet) {
      if (!up || socket === undefined || socket.destroyed) return false;
      socket.write(generate(packet, version));
      return true;
    },
    cut: () => void socket?.destroy(),
    async close() {
      if (closed) return;
      closed = true;
      clearInterval(ping);
      clearTimeout(timer);
      const ending = socket;
      if (ending === undefined) return;
      const gone = new Promise((resolve) => ending.once('close', resolve));
      if (up) ending.end(generate({ cmd: 'disconnect' }, version));
      setTimeout(() => ending.destroy(), 500).unref();
      await gone;
    },
  };
}
