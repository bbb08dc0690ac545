import { connectAsync } from 'mqtt';
import { type BrokerNode, startBrokerNode } from './broker-node.ts';
import { runSession } from './broker-session.ts';
import { createRandom } from './random.ts';
import type { FuzzRange } from './run-child.ts';
import { type Finding, type FuzzReport, memoryReport } from './target.ts';

/** Connections at a time: each of them and the node share what cores there are. */
const AT_ONCE = 24;
/** Connections between two looks at the node. */
const BLOCK_CONNECTIONS = 480;
/** A node that answers no client for so long hangs; a stopped machine is given its time. */
const ANSWER_MS_MAX = 60_000;
/** Resident bytes that an input may leave behind: V8 takes and gives back tens of megabytes as it likes. */
const SLOPE_MAX = 64;
const GROWTH_INPUTS_MIN = 200_000;
/** How long a broker may take to notice that its clients are gone. */
const SETTLE_MS_MAX = 30_000;
const LOOK_EVERY_MS = 250;
/** Sockets over those at the beginning, once all clients are gone. */
const SOCKETS_MAX = 0;
/** Another number for each connection. */
const STRIDE = 0x9e3779b1;

/** A run over TCP says more than one inside a child. */
export interface BrokerReport extends FuzzReport {
  readonly connections: number;
  /** Connections that the broker left open after both sides had said all. */
  readonly lingered: number;
  /** How long the broker took to notice that its last clients were gone. */
  readonly settledMs: number;
  readonly sockets: { readonly first: number; readonly last: number };
}

/** Sends grammar-made sessions to a real node until so many packets could be looked at. */
export async function runBroker(range: FuzzRange): Promise<BrokerReport> {
  const { seed, from, inputs, onProgress } = range;
  const node = await startBrokerNode();
  const findings: Finding[] = [];
  const samples: [number, number][] = [];
  const startMs = performance.now();
  const first = node.sockets();
  let [next, connections, lingered, last] = [from, 0, 0, first];
  const slowest = { ms: 0, input: from };
  while (next < from + inputs && findings.length === 0) {
    const block = Array.from({ length: BLOCK_CONNECTIONS }, (_, at) => connections + at);
    const ends = await inParallel(block, (number) =>
      runSession(createRandom((seed + Math.imul(number + 1, STRIDE)) | 0), node.port),
    );
    connections += ends.length;
    next += ends.reduce((sum, { packets }) => sum + packets, 0);
    lingered += ends.filter((end) => end.lingered).length;
    const answeredMs = await answerMs(node, connections % (2 * BLOCK_CONNECTIONS) === 0 ? 4 : 5);
    if (answeredMs > slowest.ms) Object.assign(slowest, { ms: answeredMs, input: next });
    findings.push(...problemsOf(node, answeredMs, next));
    if (findings.length > 0) break;
    samples.push([next, node.memoryBytes()]);
    onProgress(next);
  }
  const seconds = (performance.now() - startMs) / 1000;
  if (findings.length === 0) last = await settledSockets(node, first);
  const settledMs = performance.now() - startMs - seconds * 1000;
  await node.stop();
  const memory = memoryReport(samples);
  const done = next - from;
  if (done >= GROWTH_INPUTS_MIN && memory.slopeBytesPerInput > SLOPE_MAX) {
    const message = `${memory.slopeBytesPerInput.toFixed(2)} bytes stay of each input`;
    findings.push({ kind: 'growth', input: from, message });
  }
  if (last > first + SOCKETS_MAX) {
    const message = `${last} sockets are open, ${first} were at the beginning`;
    findings.push({ kind: 'growth', input: next, message });
  }
  const perSecond = Math.round(done / seconds);
  const report = { target: 'broker', seed, inputs: done, seconds, perSecond, findings, slowest };
  return { ...report, settledMs, memory, connections, lingered, sockets: { first, last } };
}

/** Open sockets once the clients are gone, or when the broker had its time to notice. */
async function settledSockets(node: BrokerNode, first: number): Promise<number> {
  const untilMs = performance.now() + SETTLE_MS_MAX;
  while (node.sockets() > first && performance.now() < untilMs) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  return node.sockets();
}

/** What is wrong with the node after a block. */
function problemsOf(node: BrokerNode, answeredMs: number, input: number): Finding[] {
  const { exitCode, signalCode } = node.process;
  if (exitCode !== null || signalCode !== null) {
    const message = `the node ended with ${exitCode ?? signalCode}: ${node.errors.join('\n')}`;
    return [{ kind: 'crash', input, message }];
  }
  if (answeredMs >= ANSWER_MS_MAX) {
    return [{ kind: 'hang', input, message: `no answer to a client in ${ANSWER_MS_MAX} ms` }];
  }
  return node.errors.map((message): Finding => ({ kind: 'error', input, message }));
}

/** How long a client that behaves waits for its own message; the limit where it gets none. */
async function answerMs({ port }: BrokerNode, version: 4 | 5): Promise<number> {
  const startMs = performance.now();
  const deadline = new Promise<'late'>((resolve) => {
    setTimeout(() => resolve('late'), ANSWER_MS_MAX).unref();
  });
  try {
    const end = await Promise.race([exchange(port, version), deadline]);
    return end === 'late' ? ANSWER_MS_MAX : performance.now() - startMs;
  } catch {
    return ANSWER_MS_MAX;
  }
}

async function exchange(port: number, version: 4 | 5): Promise<void> {
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, {
    protocolVersion: version,
    reconnectPeriod: 0,
    connectTimeout: ANSWER_MS_MAX,
  });
  await client.subscribeAsync('check/answer', { qos: 1 });
  const answer = new Promise((resolve) => client.once('message', resolve));
  await client.publishAsync('check/answer', 'well', { qos: 1 });
  await answer;
  await client.endAsync();
}

async function inParallel<Item, End>(
  items: readonly Item[],
  work: (item: Item) => Promise<End>,
): Promise<End[]> {
  const ends: End[] = [];
  const waiting = [...items];
  const one = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
      ends.push(await work(item));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  return ends;
}
