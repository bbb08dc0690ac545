import { createServer } from 'node:net';
import { type ExternalBus, openClient } from '../../bus/client.ts';
import type { NodeConfig } from '../../node/config.ts';
import { readBrokerProofs } from '../../node/external-broker.ts';
import { LedgeError } from '../../std/error.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

/** Where brokers tell their version, retained; there is no standard for it. */
const VERSION_TOPIC = '$SYS/broker/version';
/** A broker that tells its version does so at once; a slow link takes a second. */
const VERSION_WAIT_MS = 2_000;

/** The external broker that is configured, or whether the own one could listen. */
export async function checkBroker(broker: NodeConfig['broker']): Promise<Finding[]> {
  if (broker.url === undefined) return [await checkPort(broker.host, broker.port)];
  let problem = 'no answer';
  try {
    await using bus = await openClient({
      url: broker.url,
      ...(await readBrokerProofs(broker)),
      onProblem: (error) => {
        problem = error.message;
      },
    });
    if (bus.state === 'online') return await describe(bus);
  } catch (error) {
    if (!(error instanceof LedgeError)) throw error;
    problem = error.message;
  }
  return [fail('broker', problem, 'start the broker, or check its URL, user name and password')];
}

async function describe(bus: ExternalBus): Promise<Finding[]> {
  const version = (await versionOf(bus)) ?? 'does not tell its version';
  const broker = ok('broker', `${bus.address}, ${version}`);
  if (bus.protocol === '5') return [broker, ok('mqtt', 'MQTT 5')];
  const advice = 'without MQTT 5 there are no response topics, content types and message expiry';
  return [broker, warn('mqtt', 'MQTT 3.1.1 only', advice)];
}

async function versionOf(bus: ExternalBus): Promise<string | undefined> {
  const { promise, resolve } = withResolvers<string | undefined>();
  const timer = setTimeout(() => resolve(undefined), VERSION_WAIT_MS);
  try {
    const subscription = await bus.subscribe(VERSION_TOPIC, { qos: 0 }, (delivery) => {
      delivery.accept();
      delivery.settle();
      resolve(new TextDecoder().decode(delivery.message.payload));
    });
    const version = await promise;
    await subscription.close();
    return version;
  } finally {
    clearTimeout(timer);
  }
}

function withResolvers<T>() {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

function checkPort(host: string, port: number): Promise<Finding> {
  const place = `the own one, on ${host}:${port}`;
  if (port === 0) return Promise.resolve(ok('broker', `the own one, on ${host}, any free port`));
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      const advice =
        error.code === 'EADDRINUSE'
          ? 'another broker or node has the port: use it with --broker, or give --port'
          : 'give another address or port';
      resolve(fail('broker', `${place}: ${error.code ?? error.message}`, advice));
    });
    server.listen({ host, port, exclusive: true }, () => {
      server.close(() => resolve(ok('broker', `${place}: the port is free`)));
    });
  });
}
