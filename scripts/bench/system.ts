import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MosquittoBroker } from './broker.ts';
import { addressOf, openConnection } from './connection.ts';
import type { Load } from './load.ts';
import type { BenchModel } from './models.ts';
import { type Protocol, publishHeader } from './mqtt-frame.ts';
import { startNodeRed } from './peers/nodered.ts';
import type { PeerSettings, PeerStart } from './peers/peer.ts';
import { startPython } from './peers/python.ts';
import { startProgram } from './program.ts';

/** Something that takes events over MQTT and gives results over MQTT. */
export interface System {
  readonly name: string;
  readonly version: string;
  readonly url: string;
  /** Its processes, its broker's included. */
  readonly pids: readonly number[];
  readonly publish: string;
  readonly results: readonly string[];
  stop(): Promise<void>;
}

export type PeerName = 'plain' | 'node-red' | 'python';

export interface PeerOptions {
  readonly broker: MosquittoBroker;
  readonly model: BenchModel;
  /** The model's file on disk. */
  readonly path: string;
  readonly protocol: Protocol;
  readonly qos: 0 | 1;
  /** Where logs go. */
  readonly folder: string;
  readonly nodered: string;
  readonly trixie: string;
}

const PLAIN = fileURLToPath(new URL('peers/plain.ts', import.meta.url));

/** Starts a peer behind the broker; a string is the reason why it is not at hand. */
export async function startPeer(name: PeerName, options: PeerOptions): Promise<System | string> {
  const { broker, model, path, protocol, qos, folder } = options;
  const prefix = `bench/${name}`;
  const settings: PeerSettings = {
    url: broker.url,
    protocol,
    qos,
    model: path,
    input: model.input.name,
    output: model.output.name,
    shape: model.input.shape,
    events: `${prefix}/in/+`,
    results: `${prefix}/out/`,
  };
  const log = join(folder, `${name}.log`);
  const start = await startNamed(name, options, { settings, log });
  if (start.kind === 'absent') return start.reason;
  const { program, version } = start;
  const system: System = {
    name,
    version: `${version}, ${broker.version}`,
    url: broker.url,
    pids: [program.pid, broker.program.pid],
    publish: `${prefix}/in/{device}`,
    results: [`${prefix}/out/+`],
    stop: () => program.stop(),
  };
  await firstResult(system, model.input.shape);
  return system;
}

async function startNamed(
  name: PeerName,
  options: PeerOptions,
  { settings, log }: { settings: PeerSettings; log: string },
): Promise<PeerStart> {
  if (name === 'node-red') return startNodeRed(options.nodered, settings, log);
  if (name === 'python') return startPython(options.trixie, settings, log);
  const program = await startProgram({
    command: process.execPath,
    args: ['--import', 'tsx', PLAIN, JSON.stringify(settings)],
    log,
    ready: (line) => (line === '{"ready":true}' ? true : undefined),
  });
  return { kind: 'started', version: `Node ${process.version}`, program };
}

/** An event that was not answered is sent again after this time: the system may still be starting. */
const AGAIN_MS = 50;
const FIRST_RESULT_MS_MAX = 60_000;

/** Resolves when the system answered an event: from here on a load loses nothing to its start. */
export async function firstResult(
  system: Pick<System, 'name' | 'url' | 'publish' | 'results'>,
  shape: readonly number[],
): Promise<void> {
  const { name, url, publish, results } = system;
  const payload = Buffer.alloc(shape.reduce((product, size) => product * size, 4));
  let answered: () => void = () => undefined;
  const first = new Promise<void>((resolve) => {
    answered = resolve;
  });
  const connection = await openConnection({
    address: addressOf(url),
    protocol: 4,
    client: `first-${process.pid}`,
    filters: results,
    onPublish: () => answered(),
  });
  const topic = publish.replace('{device}', 'd0');
  const fields = { protocol: 4, qos: 0, topic, payloadBytes: payload.length } as const;
  const event = Buffer.concat([publishHeader(fields).bytes, payload]);
  const send = (): void => void connection.socket.write(event);
  send();
  const timer = setInterval(send, AGAIN_MS);
  const late = setTimeout(() => answered(), FIRST_RESULT_MS_MAX);
  const startedAtMs = performance.now();
  await first;
  clearInterval(timer);
  clearTimeout(late);
  connection.close();
  if (performance.now() - startedAtMs >= FIRST_RESULT_MS_MAX) {
    throw new Error(`${name} gave no result in ${FIRST_RESULT_MS_MAX} ms`);
  }
}

/** A load of the small event for this system; what is not given is the benchmark's usual. */
export function smallLoad(system: System, changes: Partial<Load> & Pick<Load, 'pace'>): Load {
  return {
    url: system.url,
    protocol: 4,
    qos: 0,
    publish: system.publish,
    results: system.results,
    payload: { floats: 490 },
    devices: 64,
    warmupMs: 1000,
    durationMs: 3000,
    ...changes,
  };
}
