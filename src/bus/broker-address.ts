import { connect as connectTcp, isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { LedgeError } from '../std/error.ts';
import { connectWebSocket } from './websocket.ts';

const DEFAULT_PORTS: Readonly<Record<string, number>> = {
  'mqtt:': 1883,
  'mqtts:': 8883,
  'ws:': 80,
  'wss:': 443,
};

/** Certificates in PEM: whom to believe, and who the node is. */
export interface BrokerTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Where another broker is, and how to open a connection to it. */
export interface BrokerAddress {
  /** For people: without credentials. */
  readonly address: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** The event of the stream that says that the other end answered. */
  readonly openEvent: 'connect' | 'secureConnect';
  open(): Duplex;
}

/**
 * Reads mqtt://, mqtts://, ws:// or wss://, with an optional user and password in it.
 * Throws `config-invalid`, without repeating what may be a secret.
 */
export function parseBrokerAddress(url: string, tls: BrokerTls): BrokerAddress {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const defaultPort = parsed === undefined ? undefined : DEFAULT_PORTS[parsed.protocol];
  if (parsed === undefined || defaultPort === undefined || parsed.hostname === '') {
    const message = 'Cannot use the broker URL: it is none of mqtt://, mqtts://, ws:// and wss://';
    throw new LedgeError('config-invalid', message, { context: { field: 'broker' } });
  }
  const host = parsed.hostname.replace(/^\[|\]$/g, '');
  const port = parsed.port === '' ? defaultPort : Number(parsed.port);
  const { protocol } = parsed;
  const place = `${protocol}//${parsed.hostname}:${port}`;
  const web = protocol === 'ws:' || protocol === 'wss:';
  const address = web ? `${place}${parsed.pathname}` : place;
  return {
    address,
    username: parsed.username === '' ? undefined : decodeURIComponent(parsed.username),
    password: parsed.password === '' ? undefined : decodeURIComponent(parsed.password),
    openEvent: protocol === 'mqtts:' ? 'secureConnect' : 'connect',
    open() {
      if (web) return connectWebSocket(`${address}${parsed.search}`, tls);
      if (protocol === 'mqtt:') return connectTcp({ host, port, noDelay: true });
      const servername = isIP(host) === 0 ? { servername: host } : {};
      return connectTls({ host, port, ...servername, ...tls }).setNoDelay(true);
    },
  };
}
