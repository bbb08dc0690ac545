import { createServer, type Server, type Socket } from 'node:net';
import { LedgeError } from '../std/error.ts';

/** Where a broker listens. */
export interface ListenOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly onSocket: (socket: Socket) => void;
}

/**
 * Opens the TCP listener of the broker. Throws `config-invalid` for a host that others can reach,
 * `address-in-use` for a port that is taken, `unavailable` for any other refusal of the system.
 */
export async function listen(options: ListenOptions): Promise<{ server: Server; port: number }> {
  const { host, port } = options;
  if (!isLoopback(host)) {
    const message =
      `Cannot listen for MQTT on ${host}: anyone who reaches it could connect, ` +
      'which needs credentials; use 127.0.0.1';
    throw new LedgeError('config-invalid', message, { context: { field: 'host', value: host } });
  }
  const server = createServer({ noDelay: true, keepAlive: true }, options.onSocket);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(listenError(options, cause)));
    server.listen({ host, port }, resolve);
  });
  const bound = server.address();
  return { server, port: typeof bound === 'object' && bound !== null ? bound.port : port };
}

/** Whether a host name or address only reaches this machine. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
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
