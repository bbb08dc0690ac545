import { readCertificates, readTlsFiles } from '../bus/access/tls.ts';
import type { EmbeddedBus } from '../bus/broker.ts';
import type { ExternalBus } from '../bus/client.ts';
import { openUplink, type Uplink, type UplinkOptions } from '../bus/uplink/uplink.ts';
import { systemClock } from '../std/clock.ts';
import { LedgeError } from '../std/error.ts';
import type { Teardown } from '../std/teardown.ts';
import type { Store } from '../store/store.ts';
import type { NodeConfig } from './config.ts';
import type { UplinkConfig } from './config-uplink.ts';
import type { Log } from './log.ts';
import { readSecret } from './secret.ts';

/** What the uplink needs of the node. */
export interface UplinkContext {
  readonly bus: EmbeddedBus | ExternalBus;
  readonly store: Store;
  readonly log: Log;
  readonly teardown: Teardown;
}

/** Opens the uplink where one is configured; it connects when `start` is called. */
export async function openNodeUplink(
  { node, uplink }: NodeConfig,
  { bus, store, log, teardown }: UplinkContext,
): Promise<Uplink | undefined> {
  if (uplink === undefined) return undefined;
  const { up, down, classes, bytesMax, replayPerSecond } = uplink;
  const opened = await openUplink({
    ...{ bus, store, node, up, down, bytesMax, replayPerSecond },
    clock: systemClock,
    limits: classes,
    client: await clientOptions(uplink, node),
    statusTopic: uplink.statusTopic ?? `ledge/${node}/bridge/uplink-state`,
    onProblem: (problem) => log.warn(`Uplink: ${problem.message}`, { code: problem.code }),
  });
  teardown.add('the uplink', () => opened[Symbol.asyncDispose]());
  return opened;
}

async function clientOptions(uplink: UplinkConfig, node: string): Promise<UplinkOptions['client']> {
  const { username, passwordFile, caFile, certFile, keyFile } = uplink;
  const password = passwordFile === undefined ? uplink.password : await readSecret(passwordFile);
  if ((certFile === undefined) !== (keyFile === undefined)) {
    const message = 'Cannot use a client certificate: uplink.certFile and keyFile go together';
    throw new LedgeError('config-invalid', message, { context: { field: 'uplink.certFile' } });
  }
  const certificate =
    certFile === undefined || keyFile === undefined
      ? undefined
      : await readTlsFiles({ certFile, keyFile });
  return {
    url: uplink.url,
    clientId: uplink.clientId ?? `ledge-${node}-uplink`,
    sessionSeconds: uplink.sessionSeconds,
    keepaliveSeconds: uplink.keepaliveSeconds,
    connectSeconds: uplink.connectSeconds,
    ackSeconds: uplink.ackSeconds,
    backoffMsMax: uplink.backoffSecondsMax * 1e3,
    ...(uplink.protocol !== 'auto' && { protocol: uplink.protocol }),
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(caFile !== undefined && { ca: await readCertificates(caFile) }),
    ...(certificate !== undefined && { certificate }),
  };
}
