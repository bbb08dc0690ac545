import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openPool, type Pool } from '../../src/infer/pool.ts';
import type { Predictor } from '../../src/infer/predictor.ts';
import { float32, type Tensor } from '../../src/tensor/tensor.ts';
import { startBareLoop } from './bare-loop.ts';
import { type BenchModel, createNoise, imageModel, keywordModel } from './models.ts';
import { createRow, type Row } from './row.ts';
import { median, percentile } from './statistics.ts';

/** Rounds of bare loop and pool in turn; their medians count. */
const ROUNDS = 5;
const ROUND_MS = 800;
const IN_FLIGHT = 64;
const BATCH_MAX = 32;
const TIMEOUT_MS = 30_000;
const MEMORY_BYTES_MAX = 2 ** 30;

/** What one round of the pool showed. */
interface Round {
  readonly eventsPerSecond: number;
  readonly latencyMsP50: number;
  /** Time of the main thread's event loop per event, the load's own part included. */
  readonly mainMicroseconds: number;
}

/** The pool alone, without broker, decoding or flow, against the bare runtime's loop. */
export async function benchPool(): Promise<readonly Row[]> {
  const folder = await mkdtemp(join(tmpdir(), 'ledge-bench-pool-'));
  try {
    const rows: Row[] = [];
    for (const workers of [1, 2]) {
      rows.push(...(await measure(keywordModel(), { folder, workers, target: 1 })));
      rows.push(...(await measure(imageModel(), { folder, workers, target: 0.95 })));
    }
    return rows;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Measurement {
  readonly folder: string;
  readonly workers: number;
  /** Throughput as a share of the bare loop on one thread, one event per run. */
  readonly target: number;
}

async function measure(
  model: BenchModel,
  { folder, workers, target }: Measurement,
): Promise<readonly Row[]> {
  const file = join(folder, `${model.name}.onnx`);
  await writeFile(file, model.file);
  const { name: input, shape } = model.input;
  const bare = await startBareLoop({ model: file, input, shape, threads: 1 });
  await using pool: Pool = await openPool({
    workers,
    intraOpThreads: 1,
    providers: ['cpu'],
    memoryBytesMax: MEMORY_BYTES_MAX,
  });
  const predictor = await pool.open(file, {
    batch: { sizeMax: BATCH_MAX, waitMsMax: 0 },
    timeoutMs: TIMEOUT_MS,
  });
  const next = createNoise(workers);
  const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, next);
  // Every event is a buffer of its own, as a decoder gives it.
  const event = (): Tensor => float32([1, ...shape], values.slice());
  const bareRates: number[] = [];
  const bareLatencies: number[] = [];
  const full: Round[] = [];
  const single: Round[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const reference = await bare.measure({ batch: 1, durationMs: ROUND_MS });
    bareRates.push(reference.eventsPerSecond);
    bareLatencies.push(reference.runMsP50);
    full.push(await load(predictor, { input, event, inFlight: IN_FLIGHT }));
    single.push(await load(predictor, { input, event, inFlight: 1 }));
  }
  bare.stop();
  const { batchMean } = pool.stats().models[0]!;
  const prefix = `pool: ${model.name}, ${workers} worker${workers === 1 ? '' : 's'}`;
  return [
    createRow({
      name: `${prefix}, ${IN_FLIGHT} in flight`,
      unit: 'events/s',
      reference: median(bareRates),
      ledge: median(full.map((one) => one.eventsPerSecond)),
      judged: 'ratio >=',
      target,
      note: `bare loop on one thread; ${batchMean.toFixed(1)} events per batch over both loads`,
    }),
    createRow({
      name: `${prefix}, main thread per event`,
      unit: 'µs',
      ledge: median(full.map((one) => one.mainMicroseconds)),
      note: 'busy time of the event loop, making the event included',
    }),
    createRow({
      name: `${prefix}, one at a time`,
      unit: 'ms p50',
      reference: median(bareLatencies),
      ledge: median(single.map((one) => one.latencyMsP50)),
      judged: 'difference <=',
      target: 0.3,
    }),
  ];
}

interface Load {
  readonly input: string;
  readonly inFlight: number;
  event(): Tensor;
}

/** Keeps so many requests in flight for one round. */
async function load(predictor: Predictor, { input, inFlight, event }: Load): Promise<Round> {
  const latencies: number[] = [];
  const before = performance.eventLoopUtilization();
  const startedAtMs = performance.now();
  const endAtMs = startedAtMs + ROUND_MS;
  const caller = async () => {
    for (let sentAtMs = performance.now(); sentAtMs < endAtMs; ) {
      await predictor.run({ [input]: event() }, { priority: 'normal' });
      const nowMs = performance.now();
      latencies.push(nowMs - sentAtMs);
      sentAtMs = nowMs;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
  const seconds = (performance.now() - startedAtMs) / 1000;
  const { active } = performance.eventLoopUtilization(before);
  return {
    eventsPerSecond: latencies.length / seconds,
    latencyMsP50: percentile(
      latencies.sort((a, b) => a - b),
      0.5,
    ),
    mainMicroseconds: (active * 1000) / latencies.length,
  };
}
