import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Stage } from '../scenario.ts';
import type { Collector } from './collector.ts';
import { inputTopic } from './flows.ts';
import { createMosquitto, type MosquittoProcess } from './mosquitto.ts';
import { NODE_NAME } from './node-process.ts';
import { createRig, type Rig } from './rig.ts';
import { openTcpProxy, type TcpProxy } from './tcp-proxy.ts';
import { pause, until } from './wait.ts';

/** A node that sends its results up to a mosquitto through a hop; the collector is up there. */
export interface UplinkRig {
  readonly rig: Rig;
  readonly mosquitto: MosquittoProcess;
  readonly proxy: TcpProxy;
  readonly collector: Collector;
  /** What the node says of its uplink. */
  uplink(): Promise<UplinkState>;
  /** Waits until the node's uplink is as asked for. */
  connected(wanted: 'up' | 'down', ms: number): Promise<boolean>;
  /** Waits until nothing has come for a while: what mosquitto had, the collector has. */
  quiet(): Promise<void>;
}

/** The part of `bridge/uplink` that scenarios look at. */
export interface UplinkState {
  readonly connected: boolean;
  readonly queued: Readonly<Record<string, { readonly messages: number }>>;
  readonly dropped: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

const QUIET_MS = 400;
const FLOW = 'echo';

/** Starts mosquitto, the hop, the node and the collector, and waits for the uplink. */
export async function openUplinkRig(stage: Stage): Promise<UplinkRig> {
  const { folder, defer } = stage;
  const mosquitto = await createMosquitto({ folder });
  await mosquitto.start();
  defer(() => mosquitto.wipe());
  const proxy = await openTcpProxy(mosquitto.port);
  defer(() => proxy.close());
  const config = join(folder, 'ledge.yaml');
  writeFileSync(config, configText(proxy.port));
  const rig = await createRig(stage, { flows: [{ name: FLOW }], config });
  await rig.node.start();
  const collector = rig.collect({ port: mosquitto.port });
  await collector.ready(10_000);
  const told = rig.collect({
    clientId: 'observer',
    filters: [`ledge/${NODE_NAME}/bridge/uplink`],
  }).told;
  const uplink = () => Promise.resolve(told.get(`ledge/${NODE_NAME}/bridge/uplink`) as UplinkState);

  async function connected(wanted: 'up' | 'down', ms: number): Promise<boolean> {
    return until(async () => (await uplink())?.connected === (wanted === 'up'), { ms });
  }

  if (!(await connected('up', 20_000))) throw new Error('The uplink did not come up');
  return {
    rig,
    mosquitto,
    proxy,
    collector,
    uplink,
    connected,
    async quiet() {
      for (let before = -1; before !== collector.messages; ) {
        before = collector.messages;
        await pause(QUIET_MS);
      }
    },
  };
}

function configText(port: number): string {
  return [
    'uplink:',
    `  url: mqtt://127.0.0.1:${port}`,
    // Noticed within seconds what takes half a minute by default: more faults in less time.
    '  keepaliveSeconds: 4',
    '  ackSeconds: 4',
    '  connectSeconds: 3',
    '  backoffSecondsMax: 2',
    '  up:',
    `    - { filter: 'ledge/${NODE_NAME}/${FLOW}/#', class: telemetry }`,
    `    - { filter: 'ledge/${NODE_NAME}/bridge/flows', class: state, retain: true }`,
    '  down:',
    `    - { filter: '${inputTopic(FLOW).replace('{device}', '+')}' }`,
    '',
  ].join('\n');
}
