import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { LedgeError } from '../../std/error.ts';
import { createTeardown } from '../../std/teardown.ts';
import { openFlowReports } from '../flow-reports.ts';
import { refuse, serveConnection } from './connection.ts';
import { createDeviceNames } from './device-names.ts';
import { createMeaning } from './meaning.ts';
import type { WyomingConfig, WyomingParts } from './options.ts';
import { createSession, type SessionParts } from './session.ts';
import { createSoundFilters } from './sound.ts';
import { announce } from './zeroconf.ts';

/** Connections beyond the limit that may wait for their refusal; more are cut at once. */
const REFUSALS_MAX = 16;

/** A server that answers; disposing it lets every client go. */
export interface WyomingServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Clients that are served. */
  readonly connections: number;
}

/**
 * Opens the Wyoming server: wake words, commands, voice activity and intents of the node's flows, over
 * the bus only. Fails with `address-in-use` or `unavailable` where it cannot listen.
 */
export async function openWyoming(
  config: WyomingConfig,
  parts: WyomingParts,
): Promise<WyomingServer> {
  const { bus, base, clock, log } = parts;
  const teardown = createTeardown();
  const { activityFlow, wakeFlow, commandFlow, limits } = config;
  const flows = [activityFlow, wakeFlow, commandFlow];
  const reports = await openFlowReports({ bus, base, flows, answering: commandFlow });
  teardown.add('the results of flows', () => reports[Symbol.asyncDispose]());
  const shared: SessionParts = {
    ...parts,
    config,
    reports,
    devices: createDeviceNames(limits.connectionsMax, () => clock.now()),
    meaning: createMeaning(config.intents ?? {}, bus),
    filters: createSoundFilters(),
  };
  const served = new Map<Socket, Promise<void>>();

  function accept(socket: Socket): void {
    if (served.size >= limits.connectionsMax) {
      const text = `Cannot serve more than ${limits.connectionsMax} Wyoming clients`;
      refuse(socket, new LedgeError('overflow', text, { retriable: true }), clock);
      return;
    }
    const client = `${socket.remoteAddress}:${socket.remotePort}`;
    const done = serveConnection(socket, {
      clock,
      idleMs: limits.idleSeconds * 1e3,
      createSession: (send, signal) => createSession(shared, { send, signal }),
      onProblem: (error) => log.debug('Wyoming client', { client, error: String(error) }),
    }).finally(() => served.delete(socket));
    served.set(socket, done);
  }

  try {
    // A client may end its half before it reads its answer.
    const server = createServer({ allowHalfOpen: true, noDelay: true }, accept);
    server.maxConnections = limits.connectionsMax + REFUSALS_MAX;
    const port = await listen(server, config);
    teardown.add('the server', () => close(server, served));
    const open = isLoopback(config.host);
    log.info('Wyoming listens', { host: config.host, port });
    if (!open) {
      log.warn('Wyoming has no credentials: whoever reaches this port can speak to the node', {
        host: config.host,
        port,
      });
    }
    if ((config.zeroconf ?? (open ? 'off' : 'on')) === 'on') {
      const node = base.slice(base.lastIndexOf('/') + 1);
      const announced = announce({
        ...{ node, port, host: config.host },
        onProblem: (error) => log.debug('Zeroconf', { error: String(error) }),
      });
      teardown.add('the announcement', () => announced[Symbol.asyncDispose]());
    }
    return {
      host: config.host,
      port,
      get connections() {
        return served.size;
      },
      [Symbol.asyncDispose]: () => teardown.run(),
    };
  } catch (error) {
    await teardown.run();
    throw error;
  }
}

/** The port it listens on: the one asked for, or a free one for 0. */
async function listen(server: Server, { host, port }: WyomingConfig): Promise<number> {
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const text = `Cannot open the Wyoming server on ${host}:${port}: ${message}`;
    const kind = code === 'EADDRINUSE' ? 'address-in-use' : 'unavailable';
    throw new LedgeError(kind, text, { cause, context: { field: 'wyoming.port', value: port } });
  }
  return (server.address() as AddressInfo).port;
}

async function close(server: Server, served: ReadonlyMap<Socket, Promise<void>>): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  for (const socket of served.keys()) socket.destroy();
  await Promise.all(served.values());
  await closed;
}

/** Whether only this machine can connect. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}
