import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { LedgeError } from '../std/error.ts';

/** A request's head is a line and a few fields. */
const HEADER_BYTES_MAX = 16_384;
/** A client that does not say what it wants within this time is no use. */
const HEADERS_TIMEOUT_MS = 10_000;

/** What the pages show: each gives a JSON value. */
export type Pages = Readonly<Record<string, () => unknown>>;

export interface WebServer extends AsyncDisposable {
  readonly address: string;
  readonly server: Server;
}

export interface WebOptions {
  readonly host: string;
  readonly port: number;
  readonly pages: Pages;
}

/** Serves JSON pages over HTTP; MQTT over WebSocket is attached to `server` by the broker. */
export async function openWebServer({ host, port, pages }: WebOptions): Promise<WebServer> {
  const server = createServer({ maxHeaderSize: HEADER_BYTES_MAX }, (request, response) =>
    respond(pages, request, response),
  );
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const code = error.code === 'EADDRINUSE' ? 'address-in-use' : 'unavailable';
      reject(new LedgeError(code, `Cannot listen for HTTP on ${host}:${port}: ${error.message}`));
    });
    server.listen(port, host, resolve);
  });
  const bound = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  return {
    address: `http://${host.includes(':') ? `[${host}]` : host}:${bound.port}`,
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

function respond(pages: Pages, request: IncomingMessage, response: ServerResponse): void {
  const path = new URL(request.url ?? '/', 'http://node').pathname;
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return send(response, 405, { error: 'GET only' });
  const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
  if (page === undefined) {
    return send(response, 404, { error: `There is no ${path}`, pages: Object.keys(pages) });
  }
  send(response, 200, page());
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(JSON.stringify(body));
}
