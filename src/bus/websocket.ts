import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { createWebSocketStream, WebSocket, WebSocketServer } from 'ws';
import { isOwnHost } from '../std/own-host.ts';
import { isOwnMachine } from './access/address.ts';
import { isLoopback } from './listen.ts';

/** The subprotocol of MQTT over WebSocket [MQTT-6.0.0-3]. */
const SUBPROTOCOL = 'mqtt';
const OPENING_MS_MAX = 10_000;

/** How MQTT clients reach the broker through a web server. */
export interface WebSocketOptions {
  /** Default `/mqtt`. */
  readonly path?: string;
  /**
   * Origins of other sites whose pages may connect, such as `https://panel.example`. A page of the same
   * host, one of this machine on this machine, and a client that is no browser (it sends no origin)
   * always may.
   */
  readonly originsAllowed?: readonly string[];
}

interface AcceptOptions extends WebSocketOptions {
  readonly frameBytesMax: number;
  /** Whether clients must log in: a page can then come by any name that leads here. */
  readonly guarded: () => boolean;
  readonly accept: (stream: Duplex, request: IncomingMessage) => void;
}

/** Takes a web server's upgrades on one path; returns how to stop that. Connections stay. */
export function acceptWebSockets(server: Server, options: AcceptOptions): () => void {
  const path = options.path ?? '/mqtt';
  const upgrader = new WebSocketServer({
    noServer: true,
    maxPayload: options.frameBytesMax,
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
  });
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const asked = request.url?.split('?', 1)[0];
    if (asked !== path) {
      // Another listener may know this path; without one the client must not wait for ever.
      if (server.listenerCount('upgrade') === 1) refuse(socket, '404 Not Found');
      return;
    }
    if (!originIsAllowed(request, options)) {
      refuse(socket, '403 Forbidden');
      return;
    }
    upgrader.handleUpgrade(request, socket, head, (client) => {
      options.accept(streamOf(client), request);
    });
  };
  server.on('upgrade', onUpgrade);
  return () => {
    server.off('upgrade', onUpgrade);
    upgrader.close();
  };
}

/** Connects to a broker's WebSocket: a stream of MQTT's bytes. Emits `connect` once it is open. */
export function connectWebSocket(url: string, tls: { readonly ca?: string }): Duplex {
  const client = new WebSocket(url, [SUBPROTOCOL], {
    handshakeTimeout: OPENING_MS_MAX,
    perMessageDeflate: false,
    ...tls,
  });
  const stream = streamOf(client);
  client.once('open', () => stream.emit('connect'));
  return stream;
}

function streamOf(client: WebSocket): Duplex {
  const stream = createWebSocketStream(client, { allowHalfOpen: false });
  client.once('close', () => stream.destroy());
  return stream;
}

function originIsAllowed(request: IncomingMessage, options: AcceptOptions): boolean {
  const { origin, host } = request.headers;
  if (origin === undefined || options.originsAllowed?.includes(origin)) return true;
  if (!URL.canParse(origin)) return false;
  const page = new URL(origin);
  // By a public name that was pointed here, a page of another site looks like one of this host.
  if (page.host === host) return options.guarded() || isOwnHost(host);
  const local = isLoopback(page.hostname.replace(/^\[|\]$/g, ''));
  return local && isOwnMachine(request.socket.remoteAddress) && isOwnHost(host);
}

function refuse(socket: Duplex, status: string): void {
  socket.on('error', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
