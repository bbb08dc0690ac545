import { createServer, type Server, type Socket } from 'node:net';
import {
  createServer as createTlsServer,
  type TLSSocket,
  type Server as TlsServer,
} from 'node:tls';
import { LedgeError } from '../std/error.ts';
import type { TlsMaterial } from './access/tls.ts';

/** Where a broker listens. */
export interface ListenOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Whether clients must prove who they are: only then others may reach the port. */
  readonly guarded: boolean;
  readonly onSocket: (socket: Socket) => void;
}

/** How clients reach the broker over TLS. */
export interface TlsListenOptions extends ListenOptions {
  readonly material: TlsMaterial;
  /** Whether a certificate is asked for, and whether one is needed. */
  readonly clientCertificate: 'none' | 'optional' | 'required';
  readonly handshakeTimeoutMs: number;
  /** Asked before the handshake; a connection it refuses is closed. */
  readonly enter: (socket: Socket) => boolean;
  /** Told of a connection that did not become one. */
  readonly onFailed: (socket: Socket, error: Error) => void;
}

/**
 * Opens a TCP listener of the broker. Throws `config-invalid` for a host that others can reach while
 * anyone may come in, `address-in-use` for a port that is taken, `unavailable` for any other refusal.
 */
export async function listen(options: ListenOptions): Promise<{ server: Server; port: number }> {
  checkHost(options, 'MQTT');
  const server = createServer({ noDelay: true, keepAlive: true }, options.onSocket);
  return { server, port: await bind(server, options) };
}

/** Opens a TLS listener of the broker; fails as `listen` does. */
export async function listenTls(
  options: TlsListenOptions,
): Promise<{ server: Server; port: number }> {
  const { material, clientCertificate, handshakeTimeoutMs } = options;
  checkHost({ ...options, guarded: options.guarded || clientCertificate === 'required' }, 'MQTT');
  const server: TlsServer = createTlsServer({
    ...material.options,
    noDelay: true,
    keepAlive: true,
    handshakeTimeout: handshakeTimeoutMs,
    requestCert: clientCertificate !== 'none',
    rejectUnauthorized: clientCertificate === 'required',
  });
  material.follow(server);
  server.prependListener('connection', (socket: Socket) => {
    if (!options.enter(socket)) socket.destroy();
  });
  server.on('tlsClientError', (error, socket) => {
    options.onFailed(socket, error);
    // Node leaves a socket open whose handshake failed or took too long.
    socket.destroy();
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    const presented = Object.keys(socket.getPeerCertificate()).length > 0;
    if (clientCertificate !== 'none' && presented && !socket.authorized) {
      options.onFailed(
        socket,
        new Error(`its certificate is refused: ${socket.authorizationError}`),
      );
      socket.destroy();
      return;
    }
    options.onSocket(socket);
  });
  return { server, port: await bind(server, options) };
}

/** Whether a host name or address only reaches this machine. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Throws `config-invalid` for a host that others can reach while anyone may come in. */
export function checkHost(
  { host, guarded }: Pick<ListenOptions, 'host' | 'guarded'>,
  protocol: 'MQTT' | 'HTTP',
): void {
  if (guarded || isLoopback(host)) return;
  const message =
    `Cannot listen for ${protocol} on ${host}: anyone who reaches it could connect, which needs ` +
    'credentials; add a user first (ledge user add NAME), or use 127.0.0.1';
  throw new LedgeError('config-invalid', message, { context: { field: 'host', value: host } });
}

async function bind(server: Server, options: ListenOptions): Promise<number> {
  const { host, port } = options;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(listenError(options, cause)));
    server.listen({ host, port }, resolve);
  });
  const bound = server.address();
  return typeof bound === 'object' && bound !== null ? bound.port : port;
}

function listenError(options: ListenOptions, cause: NodeJS.ErrnoException): LedgeError {
  const { host, port } = options;
  const context = { host, port };
  if (cause.code === 'EADDRINUSE') {
    const message = `Cannot listen for MQTT on ${host}:${port}: port ${port} is in use`;
    return new LedgeError('address-in-use', message, { cause, context });
  }
  const message = `Cannot listen for MQTT on ${host}:${port}: ${cause.message}`;
  return new LedgeError('unavailable', message, { cause, context });
}
