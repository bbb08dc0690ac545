import type { Access } from '../bus/access/access.ts';
import { openTls, type TlsMaterial } from '../bus/access/tls.ts';
import type { EmbeddedBus } from '../bus/broker.ts';
import type { ExternalBus } from '../bus/client.ts';
import { isLoopback } from '../bus/listen.ts';
import { systemClock } from '../std/clock.ts';
import type { Teardown } from '../std/teardown.ts';
import { openWebServer, type Pages, type WebServer } from '../web/server.ts';
import type { NodeConfig } from './config.ts';
import type { Log } from './log.ts';

/** What the web server needs of the node. */
export interface WebContext {
  readonly access: Access;
  readonly bus: EmbeddedBus | ExternalBus;
  readonly log: Log;
  readonly pages: Pages;
  readonly teardown: Teardown;
}

/**
 * Serves the pages, and MQTT over WebSocket where the broker is the node's own; undefined where the
 * configuration wants none. Beyond loopback the pages need a login.
 */
export async function openWeb(
  { broker, http }: NodeConfig,
  { access, bus, log, pages, teardown }: WebContext,
): Promise<WebServer | undefined> {
  if (!http.enabled) return undefined;
  const { host, port, healthOpen, originsAllowed } = http;
  const tls = await openCertificate(http.tls, log);
  if (tls !== undefined) teardown.add('the web certificate', () => tls[Symbol.dispose]());
  const web = await openWebServer({
    ...{ host, port, pages, tls },
    handshakeTimeoutMs: broker.limits.handshakeTimeoutMs,
    open: healthOpen ? ['/health'] : [],
    login: isLoopback(host) ? undefined : async (given) => (await access.login(given)).kind,
  });
  teardown.add('the web server', () => web[Symbol.asyncDispose]());
  if (bus.kind === 'embedded') bus.attachWebSocket(web.server, { originsAllowed });
  if (!isLoopback(host) && tls === undefined) {
    log.warn(`Passwords can be read on the way to ${web.address}: prefer http.tls`);
  }
  return web;
}

async function openCertificate(
  files: NodeConfig['http']['tls'],
  log: Log,
): Promise<TlsMaterial | undefined> {
  if (files === undefined) return undefined;
  return openTls({
    ...files,
    clock: systemClock,
    tell: (problem) => log.warn(problem.message, { code: problem.code }),
    note: (text) => log.info(text),
  });
}
