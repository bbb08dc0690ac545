import { caseEvents } from '../../flow/case.ts';
import type { FlowEvent } from '../../flow/event.ts';
import { createPlan, type Plan } from '../../flow/plan.ts';
import { createMemoryState } from '../../flow/state.ts';
import type { LoadedFlow } from '../../node/flow-load.ts';
import { LedgeError } from '../../std/error.ts';
import type { Command } from '../command.ts';
import { findFlow, flowFolders, loadOrFail, openWorkbench } from '../flow-folder.ts';
import { configOf, NODE_OPTION_HELP, NODE_OPTIONS } from '../node-options.ts';
import { startProgress } from '../progress.ts';
import { formatTable } from '../table.ts';

/** Each measurement lasts about this long: long enough to be warm, short enough to be patient with. */
const SECONDS_DEFAULT = 2;
const SECONDS_MAX = 600;
/** Events in flight in the throughput measurement: two full batches. */
const IN_FLIGHT = 64;

interface Figures {
  readonly flow: string;
  readonly events: number;
  readonly eventsPerSecond: number;
  readonly latencyMsP50: number;
  readonly latencyMsP95: number;
  readonly memoryBytes: number;
}

/** `ledge bench`: what this machine does with a flow, on the events of the flow's own tests. */
export const bench: Command = {
  summary: 'Measure flows on this machine with the events of their tests',
  usage: 'bench [flow...] [--seconds N] [--json]',
  options: { ...NODE_OPTIONS, seconds: { type: 'string' }, json: { type: 'boolean' } },
  optionHelp: {
    ...NODE_OPTION_HELP,
    seconds: `length of each measurement; default ${SECONDS_DEFAULT}`,
    json: 'figures as JSON',
  },
  examples: ['ledge bench', 'ledge bench keyword-spotting --seconds 10 --json'],
  async run(args, terminal) {
    const config = await configOf(args);
    const milliseconds = parseSeconds(args.values.seconds) * 1e3;
    await using workbench = await openWorkbench(config);
    const { positionals } = args;
    const folders =
      positionals.length > 0
        ? await Promise.all(positionals.map((name) => findFlow(name, config)))
        : await flowFolders(config);
    const rows: Figures[] = [];
    const progress = startProgress(terminal, folders.length);
    for (const folder of folders) {
      const loaded = await loadOrFail(folder, workbench);
      rows.push(await measure(loaded, folder, milliseconds));
      progress.step(loaded.parts.name);
    }
    progress.end();
    terminal.stdout.write(
      args.values.json === true ? `${JSON.stringify({ rows })}\n` : tableOf(rows),
    );
    return 0;
  },
};

function parseSeconds(given: unknown): number {
  const seconds = given === undefined ? SECONDS_DEFAULT : Number(given);
  if (seconds > 0 && seconds <= SECONDS_MAX) return seconds;
  throw new LedgeError('config-invalid', `--seconds: found ${given}, expected 0 to ${SECONDS_MAX}`);
}

/** Runs the events one at a time for latency, then many in flight for throughput. */
async function measure(loaded: LoadedFlow, folder: string, milliseconds: number): Promise<Figures> {
  const { parts } = loaded;
  const events: FlowEvent[] = [];
  for (const one of parts.tests)
    for await (const event of caseEvents(one, folder)) events.push(event);
  if (events.length === 0) {
    throw new LedgeError(
      'flow-invalid',
      `Flow "${parts.name}" has no tests whose events could be run`,
    );
  }
  const plan = createPlan(parts, createMemoryState());
  await repeat(plan, events, { milliseconds: milliseconds / 4, inFlight: 1 });
  const alone = await repeat(plan, events, { milliseconds, inFlight: 1 });
  const together = await repeat(plan, events, { milliseconds, inFlight: IN_FLIGHT });
  const memoryBytes = plan.memoryBytes;
  await plan.close();
  const sorted = alone.latencies.sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
  return {
    flow: parts.name,
    events: together.latencies.length,
    eventsPerSecond: (together.latencies.length / together.tookMs) * 1e3,
    latencyMsP50: at(0.5),
    latencyMsP95: at(0.95),
    memoryBytes,
  };
}

/** Runs the events round and round, each loop of them as a device of its own. */
async function repeat(
  plan: Plan,
  events: readonly FlowEvent[],
  { milliseconds, inFlight }: { milliseconds: number; inFlight: number },
): Promise<{ latencies: number[]; tookMs: number }> {
  const latencies: number[] = [];
  const startedMs = performance.now();
  async function loop(_: unknown, lane: number): Promise<void> {
    for (let index = lane; performance.now() - startedMs < milliseconds; index += 1) {
      const event = events[index % events.length] as FlowEvent;
      const beganMs = performance.now();
      const timing = { queueMs: 0, decodeMs: 0, preprocessMs: 0, inferMs: 0, postprocessMs: 0 };
      await plan.process({ ...event, device: `bench-${lane}`, receivedAtMs: beganMs, timing });
      latencies.push(performance.now() - beganMs);
    }
  }
  await Promise.all(Array.from({ length: inFlight }, loop));
  return { latencies, tookMs: performance.now() - startedMs };
}

function tableOf(rows: readonly Figures[]): string {
  return formatTable(
    rows.map((row) => ({
      flow: row.flow,
      'events/s': row.eventsPerSecond.toFixed(1),
      'p50 ms': row.latencyMsP50.toFixed(2),
      'p95 ms': row.latencyMsP95.toFixed(2),
      'memory MiB': (row.memoryBytes / 2 ** 20).toFixed(1),
    })),
  );
}
