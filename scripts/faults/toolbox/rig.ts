import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../free-port.ts';
import type { Stage } from '../scenario.ts';
import { type Collector, type CollectorOptions, openCollector } from './collector.ts';
import { type FlowOptions, inputTopic, writeFlow } from './flows.ts';
import {
  createNodeProcess,
  NODE_NAME,
  type NodeProcess,
  type NodeProcessOptions,
} from './node-process.ts';
import { openPublisher, type Publisher, type PublisherOptions } from './publisher.ts';
import { createTally, type Tally } from './tally.ts';
import { until } from './wait.ts';

/** A node with its flows, its publishers, its collector, and the tally that all of them keep. */
export interface Rig {
  readonly node: NodeProcess;
  readonly tally: Tally;
  readonly flowsFolder: string;
  readonly publishers: readonly Publisher[];
  /** A collector of the node's results; by default at the node's own broker. */
  collect(options?: Partial<CollectorOptions>): Collector;
  publish(options: LoadOptions): readonly Publisher[];
  /** Waits until all events were made and acknowledged, and everything acknowledged arrived. */
  settled(patience: SettlePatience): Promise<boolean>;
}

export interface RigOptions extends Partial<Omit<NodeProcessOptions, 'flows'>> {
  readonly flows: readonly FlowOptions[];
}

export interface LoadOptions {
  readonly flow: string;
  readonly publishers: number;
  readonly devicesEach: number;
  /** All publishers together. */
  readonly ratePerSecond: number;
  /** Events of all publishers together. */
  readonly total: number;
  readonly qos?: 1 | 2;
  readonly port?: number;
  readonly shape?: PublisherOptions['shape'];
}

export interface SettlePatience {
  /** For the acknowledgements. */
  readonly publishMs: number;
  /** For the results, counted from the last new arrival. */
  readonly quietMs: number;
}

/** Devices of one publisher are numbered from a multiple of this. */
const DEVICES_PER_PUBLISHER = 100;

/** Writes the flows and prepares the node, which is not started yet. */
export async function createRig(stage: Stage, options: RigOptions): Promise<Rig> {
  const { folder, random, defer } = stage;
  const flowsFolder = join(folder, 'flows');
  mkdirSync(flowsFolder, { recursive: true });
  for (const flow of options.flows) writeFlow(flowsFolder, flow);
  const { flows: _, ...given } = options;
  const node = createNodeProcess({
    port: await freePort(),
    httpPort: await freePort(),
    data: join(folder, 'data'),
    logFile: join(folder, 'node.log'),
    ...given,
    flows: flowsFolder,
  });
  defer(() => node.end('SIGKILL'));
  const tally = createTally();
  const publishers: Publisher[] = [];

  return {
    node,
    tally,
    flowsFolder,
    publishers,
    collect(given = {}) {
      const filters = [`ledge/${NODE_NAME}/+/+`, `ledge/${NODE_NAME}/bridge/ledger`];
      const collector = openCollector({ port: node.port, filters, random, tally, ...given });
      defer(() => collector.close());
      return collector;
    },
    publish(load) {
      const added = Array.from({ length: load.publishers }, (_, at) => {
        const first = (publishers.length + at) * DEVICES_PER_PUBLISHER;
        return openPublisher({
          port: load.port ?? node.port,
          clientId: `publisher-${publishers.length + at}`,
          qos: load.qos ?? 1,
          topic: inputTopic(load.flow),
          devices: Array.from({ length: load.devicesEach }, (_, device) => first + device),
          ratePerSecond: load.ratePerSecond / load.publishers,
          total: Math.ceil(load.total / load.publishers),
          random,
          tally,
          ...(load.shape && { shape: load.shape }),
        });
      });
      for (const publisher of added) defer(() => publisher.close());
      publishers.push(...added);
      return added;
    },
    async settled({ publishMs, quietMs }) {
      const allDone = () => publishers.every(({ done }) => done);
      await until(() => node.crashed || allDone(), { ms: publishMs });
      if (node.crashed) throw new Error('The node ended without having been asked to');
      let seen = -1;
      let newAt = performance.now();
      const arrivedOrQuiet = () => {
        const now = tally.arrived + tally.deadLettered;
        if (now !== seen) newAt = performance.now();
        seen = now;
        return tally.lost === 0 || performance.now() - newAt > quietMs;
      };
      await until(arrivedOrQuiet, { ms: Number.POSITIVE_INFINITY });
      return allDone();
    },
  };
}
