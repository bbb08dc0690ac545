import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openSession, type TraceOptions } from '../../infer/session.ts';
import { createNode } from '../../onnx/build.ts';
import { encodeModel } from '../../onnx/graph.ts';
import { plainModel } from './peaks.ts';
import { readTrace, type TraceRun } from './trace.ts';

/** What writing the trace itself costs for each call. */
export interface TraceOverhead {
  /** Within the time that the trace gives for the call. */
  readonly insideUs: number;
  /** Inside and around it, together. */
  readonly wholeUs: number;
}

/** A chain of so many nodes that do next to nothing. */
const NODES = 64;
const SHAPE = [1, 4];
const RUNS = 80;
const WARM_UP_RUNS = 5;

export interface OverheadOptions {
  readonly folder: string;
  readonly threads: number;
}

/** Measures the trace's cost: a chain of the smallest nodes, run with and without it. */
export async function measureOverhead(options: OverheadOptions): Promise<TraceOverhead> {
  const file = join(options.folder, 'overhead.onnx');
  await writeFile(file, encodeModel(chain()));
  const plainMs = await runChain(file, options);
  const filePrefix = join(options.folder, 'trace-overhead');
  await runChain(file, options, { filePrefix });
  const names = await readdir(options.folder);
  const found = names.find((name) => name.startsWith('trace-overhead')) ?? '';
  const runs = (await readTrace(join(options.folder, found))).slice(WARM_UP_RUNS);
  const plainUs = (plainMs * 1000) / NODES;
  return {
    insideUs: Math.max(0, quarter(runs.map(meanCallUs)) - plainUs),
    wholeUs: Math.max(0, quarter(runs.map(({ tookUs }) => tookUs)) / NODES - plainUs),
  };
}

function chain() {
  const value = (at: number) => (at === 0 ? 'x' : `v${at}`);
  const nodes = Array.from({ length: NODES }, (_, at) =>
    createNode({ operator: 'Neg', inputs: [value(at)], outputs: [value(at + 1)] }),
  );
  const end = (name: string) => [{ name, type: 'float32' as const, shape: SHAPE }];
  return plainModel({ nodes, inputs: end('x'), outputs: end(value(NODES)) });
}

async function runChain(
  file: string,
  { threads }: OverheadOptions,
  trace?: TraceOptions,
): Promise<number> {
  const session = await openSession({
    file,
    providers: ['cpu'],
    intraOpThreads: threads,
    inputs: [{ name: 'x', type: 'float32', shape: SHAPE }],
    outputs: [{ name: `v${NODES}`, type: 'float32', shape: SHAPE }],
    ...(trace && { trace }),
  });
  const buffer = new Float32Array(4).buffer;
  const times: number[] = [];
  for (let run = 0; run < WARM_UP_RUNS + RUNS; run += 1) {
    const start = performance.now();
    await session.run([{ shape: SHAPE, buffer, byteOffset: 0 }]);
    times.push(performance.now() - start);
  }
  if (trace !== undefined) session.endTrace();
  await session.release();
  return quarter(times.slice(WARM_UP_RUNS));
}

function meanCallUs({ calls }: TraceRun): number {
  return calls.reduce((sum, { tookUs }) => sum + tookUs, 0) / Math.max(1, calls.length);
}

/** The lower quarter: the trace costs the same in each run, other programs do not. */
function quarter(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 2] ?? 0;
}
