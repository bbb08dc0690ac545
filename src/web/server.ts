import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import { LedgeError } from '../std/error.ts';
import { isOwnHost } from '../std/own-host.ts';
import { type BasicCredentials, parseBasicAuth } from './basic-auth.ts';

/** A request's head is a line and a few fields. */
const HEADER_BYTES_MAX = 16_384;
/** A client that does not say what it wants within this time is no use. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Connections are looked at this often: what is over its time goes soon after. */
const CHECK_MS = 1_000;
/** MQTT over WebSocket, and the pages beside it. */
const CONNECTIONS_MAX = 2_048;

/** What the pages show: each gives a JSON value. */
export type Pages = Readonly<Record<string, () => unknown>>;

/** Name and password of a request, and where it came from. */
export type WebLogin = BasicCredentials & { readonly address: string | undefined };

export interface WebServer extends AsyncDisposable {
  readonly address: string;
  readonly server: Server;
}

export interface WebOptions {
  readonly host: string;
  readonly port: number;
  readonly pages: Pages;
  /** Left out: the pages need no login. `later`: too many wrong ones came. */
  readonly login?: ((given: WebLogin) => Promise<'in' | 'out' | 'later'>) | undefined;
  /** Paths that need no login all the same. */
  readonly open?: readonly string[] | undefined;
  /** Certificate and key: HTTPS in place of HTTP, and how to take later ones. */
  readonly tls?:
    | {
        readonly options: SecureContextOptions;
        follow(server: { setSecureContext(options: SecureContextOptions): void }): void;
      }
    | undefined;
  /** For the request's head, and for TLS. Default 10 s. */
  readonly handshakeTimeoutMs?: number | undefined;
  readonly connectionsMax?: number | undefined;
}

/** Serves JSON pages over HTTP; MQTT over WebSocket is attached to `server` by the broker. */
export async function openWebServer(options: WebOptions): Promise<WebServer> {
  const { host, port, tls } = options;
  const server = serverOf(options, (request, response) => {
    respond(options, request, response).catch(() => send(response, 500, { error: 'It failed' }));
  });
  server.maxConnections = options.connectionsMax ?? CONNECTIONS_MAX;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const code = error.code === 'EADDRINUSE' ? 'address-in-use' : 'unavailable';
      reject(new LedgeError(code, `Cannot listen for HTTP on ${host}:${port}: ${error.message}`));
    });
    server.listen(port, host, resolve);
  });
  const bound = server.address() as AddressInfo;
  const protocol = tls === undefined ? 'http' : 'https';
  let closing: Promise<void> | undefined;
  return {
    address: `${protocol}://${host.includes(':') ? `[${host}]` : host}:${bound.port}`,
    server,
    [Symbol.asyncDispose]() {
      closing ??= new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      return closing;
    },
  };
}

function serverOf({ tls, handshakeTimeoutMs }: WebOptions, listener: RequestListener): Server {
  const timeoutMs = handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS;
  const limits: ServerOptions = {
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: timeoutMs,
    requestTimeout: timeoutMs,
    connectionsCheckingInterval: Math.min(CHECK_MS, timeoutMs),
  };
  if (tls === undefined) return createServer(limits, listener);
  const server = createTlsServer(
    { ...limits, ...tls.options, handshakeTimeout: timeoutMs },
    listener,
  );
  tls.follow(server);
  return server;
}

async function respond(
  options: WebOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { pages } = options;
  const url = request.url ?? '/';
  const path = URL.canParse(url, 'http://node') ? new URL(url, 'http://node').pathname : url;
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return send(response, 405, { error: 'GET only' });
  if (options.login === undefined) {
    // Without a login, a page of another site must not read these by a name that points here.
    if (!isOwnHost(request.headers.host))
      return send(response, 421, { error: 'Ask by address or local name' });
  } else if (!(options.open ?? []).includes(path)) {
    const answer = await judge(options.login, request);
    if (answer === 'later') return send(response, 429, { error: 'Too many wrong logins' });
    if (answer === 'out') {
      response.setHeader('www-authenticate', 'Basic realm="ledge", charset="UTF-8"');
      return send(response, 401, { error: 'A user name and a password are needed' });
    }
  }
  const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
  if (page === undefined) {
    return send(response, 404, { error: 'There is no such page', pages: Object.keys(pages) });
  }
  send(response, 200, page());
}

async function judge(
  login: NonNullable<WebOptions['login']>,
  request: IncomingMessage,
): Promise<'in' | 'out' | 'later'> {
  const credentials = parseBasicAuth(request.headers.authorization);
  if (credentials === undefined) return 'out';
  return login({ ...credentials, address: request.socket.remoteAddress });
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(JSON.stringify(body));
}
