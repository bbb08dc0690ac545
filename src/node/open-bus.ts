import type { Access } from '../bus/access/access.ts';
import { openTls } from '../bus/access/tls.ts';
import { type EmbeddedBus, openBroker } from '../bus/broker.ts';
import { type ExternalBus, openClient } from '../bus/client.ts';
import type { TlsEntrance } from '../bus/entrances.ts';
import { isLoopback } from '../bus/listen.ts';
import { systemClock } from '../std/clock.ts';
import { LedgeError } from '../std/error.ts';
import type { Teardown } from '../std/teardown.ts';
import type { Store } from '../store/store.ts';
import type { NodeConfig } from './config.ts';
import { readBrokerProofs } from './external-broker.ts';
import type { Log } from './log.ts';

/** What the bus needs of the node. */
export interface BusContext {
  /** `ledge/<node>`. */
  readonly base: string;
  readonly access: Access;
  /** Closed after the bus. */
  readonly store: Store;
  readonly log: Log;
  readonly teardown: Teardown;
}

/** Opens the own broker or the way to the external one; it connects when `start` is called. */
export async function openBus(
  config: NodeConfig,
  context: BusContext,
): Promise<EmbeddedBus | ExternalBus> {
  const { url } = config.broker;
  const bus =
    url === undefined ? await openOwn(config, context) : await openOther(config, url, context);
  context.teardown.add('the bus', () => bus[Symbol.asyncDispose]());
  return bus;
}

async function openOwn(config: NodeConfig, context: BusContext): Promise<EmbeddedBus> {
  const { host, port, connectionsMax, payloadBytesMax, limits, session } = config.broker;
  const { access, log, store } = context;
  const tls = await openTlsEntrance(config, context);
  const bus = await openBroker({
    ...{ host, port, connectionsMax, payloadBytesMax, limits, access, store, sessions: session },
    ...(tls === undefined ? {} : { tls }),
    start: 'later',
    onProblem: (problem) => log.warn(problem.message, { code: problem.code }),
  });
  if (!isLoopback(host)) {
    log.warn(`Passwords can be read on the way to ${bus.address}: prefer broker.tls`);
  }
  return bus;
}

async function openTlsEntrance(
  { broker }: NodeConfig,
  { log, teardown }: BusContext,
): Promise<TlsEntrance | undefined> {
  const { tls } = broker;
  if (tls === undefined) return undefined;
  const { host, port, certFile, keyFile, caFile, requireClientCertificate, identity } = tls;
  if (caFile === undefined && (requireClientCertificate || identity !== 'none')) {
    const message = 'Cannot ask for client certificates: broker.tls.caFile is missing';
    throw new LedgeError('config-invalid', message, { context: { field: 'broker.tls.caFile' } });
  }
  const material = await openTls({
    ...{ certFile, keyFile, caFile, clock: systemClock },
    tell: (problem) => log.warn(problem.message, { code: problem.code }),
    note: (text) => log.info(text),
  });
  teardown.add('the certificate', () => material[Symbol.dispose]());
  const asked = requireClientCertificate ? 'required' : 'optional';
  const clientCertificate = caFile === undefined ? 'none' : asked;
  return { host, port, material, clientCertificate, identity };
}

async function openOther(
  config: NodeConfig,
  url: string,
  { base, log }: BusContext,
): Promise<ExternalBus> {
  return openClient({
    url,
    clientId: `ledge-${config.node}`,
    ...(await readBrokerProofs(config.broker)),
    will: {
      topic: `${base}/bridge/state`,
      payload: Buffer.from(JSON.stringify({ state: 'offline' })),
      qos: 1,
      retain: true,
    },
    start: 'later',
    onProblem: (problem) => log.warn(problem.message, { code: problem.code }),
  });
}
