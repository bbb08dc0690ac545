import { startBareLoop } from '../bare-loop.ts';
import type { Bench } from '../bench.ts';
import { startLedge } from '../ledge.ts';
import { type PeerSet, startPeers } from '../peer-set.ts';
import { type Figures, measureRounds } from '../rounds.ts';
import { createRow, type Row, skippedRow } from '../row.ts';
import { median } from '../statistics.ts';
import { firstResult, type PeerName, smallLoad } from '../system.ts';

const PEERS: readonly PeerName[] = ['plain', 'node-red', 'python'];
const WARMUP_MS = 1000;
const BARE_MS = 1000;
const ADDED_MS_TARGET = 1;
/** The ratio of two medians on a shared machine: the path is to be no slower. */
const PLAIN_TARGET = 1;

/** 490-float events one at a time: what the path adds to the inference, and what the peers take. */
export async function measureOneAtATime(bench: Bench): Promise<readonly Row[]> {
  const { folder, models } = bench;
  const { model, path } = models.keyword;
  const { name: input, shape } = model.input;
  const ledge = await startLedge({ folder, flows: `${folder}/flows` });
  const bare = await startBareLoop({ model: path, input, shape, threads: 1 });
  const runs: number[] = [];
  let peers: PeerSet | undefined;
  try {
    const small = ledge.flow('small');
    await firstResult(small, shape);
    peers = await startPeers(bench, { names: PEERS, protocol: 4, qos: 0 });
    const figures = await measureRounds(bench, {
      title: 'one at a time',
      systems: [small, ...peers.systems],
      load: (system) =>
        smallLoad(system, {
          pace: { kind: 'closed', inFlight: 1 },
          devices: 1,
          warmupMs: WARMUP_MS,
          durationMs: bench.measureMs,
        }),
      async reference() {
        runs.push((await bare.measure({ batch: 1, durationMs: BARE_MS })).runMsP50);
      },
    });
    return rowsOf(figures, median(runs), peers);
  } finally {
    bare.stop();
    await ledge.stop();
    await peers?.stop();
  }
}

function rowsOf(
  figures: ReadonlyMap<string, Figures>,
  bareMs: number,
  peers: PeerSet,
): readonly Row[] {
  const ledge = figures.get('ledge')!;
  return [
    createRow({
      name: 'small, one at a time: latency, beside the inference itself',
      unit: 'ms p50',
      ledge: ledge.latencyMsP50,
      reference: bareMs,
      judged: 'difference <=',
      target: ADDED_MS_TARGET,
      note: 'reference: one run of the bare loop',
    }),
    ...PEERS.flatMap((name) => peerRows(name, { ledge, peer: figures.get(name), peers })),
  ];
}

function peerRows(
  name: PeerName,
  { ledge, peer, peers }: { ledge: Figures; peer: Figures | undefined; peers: PeerSet },
): readonly Row[] {
  const latency = `small, one at a time: latency, of ${name}`;
  const cpu = `small, one at a time: CPU per event, of ${name}`;
  const system = peers.systems.find((each) => each.name === name);
  if (peer === undefined || system === undefined) {
    const reason = peers.absent.find((each) => each.name === name)?.reason ?? 'not started';
    return [skippedRow(latency, 'ms p50', reason), skippedRow(cpu, 'ms', reason)];
  }
  return [
    createRow({
      name: latency,
      unit: 'ms p50',
      ledge: ledge.latencyMsP50,
      reference: peer.latencyMsP50,
      ...(name === 'plain' ? ({ judged: 'ratio <=', target: PLAIN_TARGET } as const) : {}),
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
}
