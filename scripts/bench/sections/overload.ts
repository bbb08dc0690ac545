import type { Bench } from '../bench.ts';
import { LARGE_QUEUE_BYTES_MAX, SMALL_QUEUE_BYTES_MAX } from '../flows.ts';
import { type Ledge, startLedge } from '../ledge.ts';
import { type Load, type LoadReport, runLoad } from '../load.ts';
import { IMAGE_SHAPE } from '../models.ts';
import { startPeers } from '../peer-set.ts';
import { type ProbeResult, startProbe } from '../probe.ts';
import { residentBytes, watchResident } from '../process-tree.ts';
import { createRow, type Row, skippedRow } from '../row.ts';
import { firstResult, type PeerName, type System, smallLoad } from '../system.ts';

const SMALL_PER_SECOND = 9000;
const LARGE_PER_SECOND = 250;
const LARGE_FLOATS = IMAGE_SHAPE.reduce((product, size) => product * size, 1);
const WARMUP_MS = 2000;
/** Before that, as many as come through: code that is not yet compiled is not what is measured. */
const COMPILE_MS = 2000;
/** Results that come later than this after the last event are late. */
const DRAIN_MS = 5000;
const LATENCY_MS_TARGET = 250;
const ANSWER_MS_TARGET = 100;
/** Beside the queue: what is in flight, sockets' buffers and garbage that was not yet collected. */
const BEYOND_QUEUE_BYTES = 128 * 1024 * 1024;
const MIB = 1024 * 1024;
const PEERS: readonly PeerName[] = ['plain', 'node-red', 'python'];

interface Overload {
  readonly name: string;
  readonly flow: string;
  readonly queueBytesMax: number;
  readonly latencyJudged: boolean;
  load(system: System): Load;
}

/** Open loop beyond what the machine can do: what is lost, how late, how large, and who still answers. */
export async function measureOverload(bench: Bench): Promise<readonly Row[]> {
  const rows: Row[] = [];
  let small: LoadReport | undefined;
  for (const overload of overloadsOf(bench)) {
    const { report, rows: told } = await measureLedge(bench, overload);
    small ??= report;
    rows.push(...told);
  }
  return [...rows, ...(await measurePeers(bench, small!))];
}

function overloadsOf(bench: Bench): readonly Overload[] {
  const timing = { protocol: 5, warmupMs: WARMUP_MS, durationMs: bench.overloadMs } as const;
  const small = { kind: 'open', perSecond: SMALL_PER_SECOND, drainMs: DRAIN_MS } as const;
  const ofSmall = (qos: 0 | 1): Overload => ({
    name: `overload, ${SMALL_PER_SECOND} small/s at QoS ${qos}`,
    flow: 'small',
    queueBytesMax: SMALL_QUEUE_BYTES_MAX,
    latencyJudged: true,
    load: (system) => smallLoad(system, { ...timing, qos, pace: small }),
  });
  return [
    ofSmall(0),
    ofSmall(1),
    {
      name: `overload, ${LARGE_PER_SECOND} large/s at QoS 0`,
      flow: 'large',
      queueBytesMax: LARGE_QUEUE_BYTES_MAX,
      latencyJudged: false,
      load: (system) =>
        smallLoad(system, {
          ...timing,
          devices: 16,
          payload: { floats: LARGE_FLOATS },
          pace: { ...small, perSecond: LARGE_PER_SECOND },
        }),
    },
  ];
}

async function warmUp(system: System, overload: Overload): Promise<void> {
  const load = overload.load(system);
  const pace = { kind: 'closed', inFlight: load.devices } as const;
  const before = { protocol: 4, qos: 0, warmupMs: 0, durationMs: COMPILE_MS } as const;
  await runLoad({ ...load, ...before, pace }, system.pids);
}

interface LedgeOverload {
  readonly report: LoadReport;
  readonly probe: ProbeResult;
  readonly residentBytes: { readonly before: number; readonly most: number };
}

async function measureLedge(
  bench: Bench,
  overload: Overload,
): Promise<{ report: LoadReport; rows: readonly Row[] }> {
  const { folder, models } = bench;
  const ledge: Ledge = await startLedge({ folder, flows: `${folder}/flows` });
  try {
    const system = ledge.flow(overload.flow);
    const { shape } = (overload.flow === 'large' ? models.image : models.keyword).model.input;
    await firstResult(system, shape);
    await warmUp(system, overload);
    const before = residentBytes([ledge.pid]);
    const stopWatching = watchResident([ledge.pid]);
    const probing = await startProbe(ledge);
    const report = await runLoad(overload.load(system), system.pids);
    const probe = await probing.stop();
    const measured = { report, probe, residentBytes: { before, most: stopWatching() } };
    bench.say(`${overload.name}: ${JSON.stringify(report)} ${JSON.stringify(probe)}`);
    return { report, rows: rowsOf(overload, measured) };
  } finally {
    await ledge.stop();
  }
}

function rowsOf(overload: Overload, measured: LedgeOverload): readonly Row[] {
  const { report, probe, residentBytes: resident } = measured;
  const { name, latencyJudged, queueBytesMax } = overload;
  const declared = Object.values(report.declared).reduce((sum, count) => sum + count, 0);
  const reasons = Object.entries(report.declared).map(([reason, count]) => `${reason} ${count}`);
  const answers = `slowest of ${probe.tries} answers`;
  return [
    createRow({
      name: `${name}: lost without a word`,
      unit: 'events',
      ledge: report.lost + report.unsent,
      reference: report.offered,
      judged: 'ledge <=',
      target: 0,
      note: `reference: events sent, with the warm-up; drops: ${reasons.join(', ') || 'none'}`,
    }),
    createRow({
      name: `${name}: declared drops`,
      unit: 'events',
      ledge: declared,
      reference: report.offered,
      note: 'reference: events sent, warm-up included',
    }),
    createRow({
      name: `${name}: latency`,
      unit: 'ms p99',
      ledge: report.latencyMs.p99 ?? Number.NaN,
      ...(latencyJudged ? ({ judged: 'ledge <=', target: LATENCY_MS_TARGET } as const) : {}),
      note: `from the due time; p50 ${report.latencyMs.p50?.toFixed(1)} ms`,
    }),
    createRow({
      name: `${name}: growth of resident memory`,
      unit: 'MiB',
      ledge: (resident.most - resident.before) / MIB,
      reference: queueBytesMax / MIB,
      judged: 'ledge <=',
      target: (queueBytesMax + BEYOND_QUEUE_BYTES) / MIB,
      note: 'reference: the declared queue limit; the target allows 128 MiB beside it',
    }),
    createRow({
      name: `${name}: control topic answers`,
      unit: 'ms max',
      ledge: probe.controlMsMax,
      judged: 'ledge <',
      target: ANSWER_MS_TARGET,
      note: answers,
    }),
    createRow({
      name: `${name}: HTTP answers`,
      unit: 'ms max',
      ledge: probe.httpMsMax,
      judged: 'ledge <',
      target: ANSWER_MS_TARGET,
      note: answers,
    }),
  ];
}

/** The same small load at QoS 0 on each peer, on MQTT 3.1.1, which is cheaper: told, not judged. */
async function measurePeers(bench: Bench, ledge: LoadReport): Promise<readonly Row[]> {
  const [overload] = overloadsOf(bench);
  const rows: Row[] = [];
  for (const name of PEERS) {
    const lost = `${overload!.name}: lost or 5 s late, beside ${name}`;
    const latency = `${overload!.name}: latency, of ${name}`;
    const peers = await startPeers(bench, { names: [name], protocol: 4, qos: 0 });
    const [system] = peers.systems;
    try {
      if (system === undefined) {
        const reason = peers.absent[0]?.reason ?? 'not started';
        rows.push(skippedRow(lost, 'events', reason), skippedRow(latency, 'ms p99', reason));
        continue;
      }
      await warmUp(system, overload!);
      const load = { ...overload!.load(system), protocol: 4 } as const;
      const report = await runLoad(load, system.pids);
      bench.say(`${overload!.name}: ${name} ${JSON.stringify(report)}`);
      const [theirs, ours] = [report, ledge].map(({ lost, unsent, late }) => lost + unsent + late);
      rows.push(
        createRow({
          name: lost,
          unit: 'events',
          ledge: ours!,
          reference: theirs!,
          note: `of ${report.offered} sent, warm-up included`,
        }),
        createRow({
          name: latency,
          unit: 'ms p99',
          ledge: ledge.latencyMs.p99 ?? Number.NaN,
          reference: report.latencyMs.p99 ?? Number.NaN,
          note: `p50 ${report.latencyMs.p50?.toFixed(1) ?? 'none'} ms there`,
        }),
      );
    } finally {
      await peers.stop();
    }
  }
  return rows;
}
