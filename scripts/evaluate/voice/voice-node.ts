import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ExternalBus, openClient } from '../../../src/bus/client.ts';
import { packagePath } from '../../../src/std/package.ts';
import { formatProblem, parseYaml } from '../../../src/std/yaml.ts';
import { NODE_NAME, startNodeProcess } from '../node-process.ts';

const FLOWS = ['voice-activity', 'wake-word', 'voice-command'];
/** The flow of scores: that of the wake word with every score told that is worth a look. */
export const SCORES_FLOW = 'wake-scores';
export const SCORE_MIN = 0.05;

/** A node that listens, and a client of it. */
export interface VoiceNode extends AsyncDisposable {
  readonly bus: ExternalBus;
  readonly processId: number;
  /** Hears every message below `ledge/<node>/`, as JSON, with its time on the monotonic clock. */
  hear(below: string, handler: (device: string, body: Body, atMs: number) => void): Promise<void>;
  request(name: string, body: object): Promise<void>;
}

export type Body = Readonly<Record<string, unknown>>;

/** Which threshold the wake word has, and whether its scores are told as well. */
export interface VoiceNodeOptions {
  readonly threshold?: number;
  readonly scores?: 'told';
}

/** Starts a node with the default voice flows; each device is a site that answers for itself. */
export async function startVoiceNode(options: VoiceNodeOptions = {}): Promise<VoiceNode> {
  const folder = await mkdtemp(join(tmpdir(), 'ledge-voice-'));
  for (const name of FLOWS) {
    await cp(packagePath(`flows/${name}`), join(folder, name), { recursive: true });
  }
  if (options.threshold !== undefined) {
    await changeWake(join(folder, 'wake-word'), { score: options.threshold, release: 0.2 });
  }
  if (options.scores === 'told') {
    await cp(packagePath('flows/wake-word'), join(folder, SCORES_FLOW), { recursive: true });
    await changeWake(join(folder, SCORES_FLOW), { score: SCORE_MIN, emit: 'passing' });
  }
  const node = await startNodeProcess(folder, { voice: { arbitrationMs: 0 } });
  const bus = await openClient({ url: node.mqtt });
  return {
    bus,
    processId: node.processId,
    async hear(below, handler) {
      const filter = `ledge/${NODE_NAME}/${below}/+`;
      await bus.subscribe(filter, { qos: 0 }, (delivery) => {
        const atMs = performance.now();
        delivery.accept();
        delivery.settle();
        const { topic, payload } = delivery.message;
        const device = topic.slice(topic.lastIndexOf('/') + 1);
        handler(device, JSON.parse(Buffer.from(payload).toString()) as Body, atMs);
      });
    },
    request: (name, body) =>
      bus.publish({
        topic: `ledge/${NODE_NAME}/bridge/request/${name}`,
        payload: Buffer.from(JSON.stringify(body)),
        qos: 1,
        retain: false,
      }),
    async [Symbol.asyncDispose]() {
      await bus[Symbol.asyncDispose]();
      await node[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface WakeFlow {
  steps: Record<string, Record<string, unknown>>[];
  [field: string]: unknown;
}

/** Another threshold; a flow that tells every score has no refractory time and tells both labels. */
async function changeWake(folder: string, threshold: Record<string, unknown>): Promise<void> {
  const file = join(folder, 'flow.yaml');
  const read = parseYaml(await readFile(file, 'utf8'), file);
  if (read.kind === 'problems') throw new TypeError(read.problems.map(formatProblem).join('\n'));
  const flow = read.value.value as WakeFlow;
  const every = threshold.emit === 'passing';
  flow.tests = [];
  flow.entity = [];
  flow.steps = flow.steps
    .filter((step) => !every || step.debounce === undefined)
    .map((step) => {
      if (step['top-k'] !== undefined && every) return { 'top-k': { k: 2 } };
      if (step.threshold === undefined) return step;
      const { release: _, ...own } = step.threshold;
      return { threshold: { ...own, ...threshold } };
    });
  await writeFile(file, JSON.stringify(flow));
}
