import { type BareLoop, startBareLoop } from '../bare-loop.ts';
import type { Bench } from '../bench.ts';
import { type Health, type Ledge, startLedge } from '../ledge.ts';
import { type PeerSet, startPeers } from '../peer-set.ts';
import { type Figures, measureRounds } from '../rounds.ts';
import { createRow, type Row, skippedRow } from '../row.ts';
import { median } from '../statistics.ts';
import { firstResult, type PeerName, smallLoad } from '../system.ts';

const IN_FLIGHT = 64;
const BATCH = 32;
const WARMUP_MS = 1000;
/** The bare loop is steady at once: it needs less time than a path with a network in it. */
const BARE_MS = 1500;
/** How many times a peer's throughput Ledge's is to be. */
const PEER_TARGETS = { plain: 1.6, 'node-red': 1.6, python: 1.1 } as const;
const PEERS = Object.keys(PEER_TARGETS) as PeerName[];
const BARE_TARGET = 0.75;
/** Full batches are 32; a mean of 4 leaves no doubt that requests share runs. */
const BATCH_TARGET = 4;
const LOOP_DELAY_MS_TARGET = 20;

interface Parts {
  readonly ledge: Ledge;
  readonly bare: BareLoop;
  readonly peers: PeerSet;
}

interface Measured {
  readonly bare: number;
  readonly bareBatched: number;
  readonly loopDelayMsP99: number;
  readonly batchMean: number;
  readonly figures: ReadonlyMap<string, Figures>;
}

/** 490-float events through the keyword model, 64 in flight, beside the bare loop and the peers. */
export async function measureFullLoad(bench: Bench): Promise<readonly Row[]> {
  const { folder, models } = bench;
  const { model, path } = models.keyword;
  const { name: input, shape } = model.input;
  const ledge = await startLedge({ folder, flows: `${folder}/flows` });
  const bare = await startBareLoop({ model: path, input, shape, threads: 1 });
  let peers: PeerSet | undefined;
  try {
    for (const name of ['small', 'unbatched']) await firstResult(ledge.flow(name), shape);
    peers = await startPeers(bench, { names: PEERS, protocol: 4, qos: 0 });
    return rowsOf(await measure(bench, { ledge, bare, peers }), peers);
  } finally {
    bare.stop();
    await ledge.stop();
    await peers?.stop();
  }
}

async function measure(bench: Bench, { ledge, bare, peers }: Parts): Promise<Measured> {
  const rates: number[] = [];
  const batchedRates: number[] = [];
  const loopDelays: number[] = [];
  const batches: number[] = [];
  const small = ledge.flow('small');
  const figures = await measureRounds(bench, {
    title: `${IN_FLIGHT} in flight`,
    systems: [small, { ...ledge.flow('unbatched'), name: 'unbatched' }, ...peers.systems],
    load: (system) =>
      smallLoad(system, {
        pace: { kind: 'closed', inFlight: IN_FLIGHT },
        devices: IN_FLIGHT,
        warmupMs: WARMUP_MS,
        durationMs: bench.measureMs,
      }),
    async reference() {
      const one = await bare.measure({ batch: 1, durationMs: BARE_MS });
      const many = await bare.measure({ batch: BATCH, durationMs: BARE_MS });
      rates.push(one.eventsPerSecond);
      batchedRates.push(many.eventsPerSecond);
    },
    async around(system, run) {
      if (system !== small) return run();
      const before = await ledge.health();
      const report = await run();
      const after = await ledge.health();
      loopDelays.push(after.eventLoop.p99Ms);
      batches.push(batchMean(before, after));
      return report;
    },
  });
  return {
    bare: median(rates),
    bareBatched: median(batchedRates),
    loopDelayMsP99: median(loopDelays),
    batchMean: median(batches),
    figures,
  };
}

/** Events per run of the small flow's model between two readings. */
function batchMean(before: Health, after: Health): number {
  const of = ({ inference }: Health) =>
    inference.models.find(({ model }) => model.name === 'bench-keyword');
  const [first, last] = [of(before), of(after)];
  if (first === undefined || last === undefined) return Number.NaN;
  return (last.requests - first.requests) / (last.batches - first.batches);
}

function rowsOf(measured: Measured, peers: PeerSet): readonly Row[] {
  const ledge = measured.figures.get('ledge')!;
  const unbatched = measured.figures.get('unbatched')!;
  const rate = { unit: 'events/s', ledge: ledge.perSecond };
  return [
    createRow({
      name: 'small, 64 in flight: throughput, of the bare loop',
      ...rate,
      reference: measured.bare,
      judged: 'ratio >=',
      target: BARE_TARGET,
      note: 'reference: bare onnxruntime-node loop, one thread, one event a run',
    }),
    createRow({
      name: 'small, 64 in flight: throughput, of the bare loop in batches of 32',
      ...rate,
      reference: measured.bareBatched,
      note: 'reference: the same loop with 32 events a run',
    }),
    createRow({
      name: 'small, 64 in flight: events per run',
      unit: 'events',
      ledge: measured.batchMean,
      reference: 1,
      judged: 'ledge >=',
      target: BATCH_TARGET,
      note: 'mean batch, from the node’s own count',
    }),
    createRow({
      name: 'small, 64 in flight: throughput, of the flow without batches',
      ...rate,
      reference: unbatched.perSecond,
      note: 'reference: the same flow with batch.sizeMax 1',
    }),
    createRow({
      name: 'small, 64 in flight: event loop delay, p99',
      unit: 'ms',
      ledge: measured.loopDelayMsP99,
      judged: 'ledge <',
      target: LOOP_DELAY_MS_TARGET,
      note: 'main thread of the node, from /health',
    }),
    createRow({
      name: 'small, 64 in flight: CPU of the load generator',
      unit: 'ms/event',
      ledge: ledge.generatorCpuMsPerEvent,
      note: 'shares the machine with every system alike',
    }),
    ...peerRows(measured, peers),
  ];
}

function peerRows({ figures }: Measured, peers: PeerSet): readonly Row[] {
  const ledge = figures.get('ledge')!;
  return PEERS.flatMap((name) => {
    const throughput = `small, 64 in flight: throughput, of ${name}`;
    const cpu = `small, 64 in flight: CPU per event, of ${name}`;
    const peer = figures.get(name);
    const system = peers.systems.find((each) => each.name === name);
    if (peer === undefined || system === undefined) {
      const reason = peers.absent.find((each) => each.name === name)?.reason ?? 'not started';
      return [skippedRow(throughput, 'events/s', reason), skippedRow(cpu, 'ms', reason)];
    }
    return [
      createRow({
        name: throughput,
        unit: 'events/s',
        ledge: ledge.perSecond,
        reference: peer.perSecond,
        judged: 'ratio >=',
        target: PEER_TARGETS[name as keyof typeof PEER_TARGETS],
        note: system.version,
      }),
      createRow({
        name: cpu,
        unit: 'ms',
        ledge: ledge.cpuMsPerEvent,
        reference: peer.cpuMsPerEvent,
        note: `all processes of ${name} and its broker`,
      }),
    ];
  });
}
