import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { memoryUsage, resourceUsage } from 'node:process';
import type { InputPart } from '../../infer/protocol.ts';
import {
  openSession,
  type Session,
  type TraceOptions,
  warmUpRuntime,
} from '../../infer/session.ts';
import { LedgeError } from '../../std/error.ts';
import { readSample } from '../sample-file.ts';
import { measureOverhead } from './overhead.ts';
import { betterPeaks, measurePeaks } from './peaks.ts';
import type { ProfileAnswer, ProfileRequest } from './probe-protocol.ts';
import { readTrace, type TraceRun } from './trace.ts';

// A process of its own: nothing else was loaded before, and a model that brings the runtime down brings
// down nothing else.

/** First runs allocate and pack. */
const WARM_UP_RUNS = 3;
/** Where the caller did not say how many runs: at most so many, and no longer than this. */
const RUNS_MIN = 5;
const TIME_MS = 4000;
/** A trace of more calls than this is neither kept nor read in reasonable memory. */
const CALLS_MAX = 60_000;

const request = JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')) as ProfileRequest;
const { file, folder, threads, runsMax, exact } = request;
const samples = await Promise.all(request.samples.map(readSample));
await warmUpRuntime();

const plain = await measurePlain();
const first = await traceRuns('first', { runs: 1, warmUp: 0, optimised: true });
const calls = countCalls(first.runs[0]);
const inUse = Math.max(0, ...(first.runs[0]?.calls ?? []).map(({ inUseBytes }) => inUseBytes));
const peakOptions = { folder, threads, workingSetBytes: Math.max(request.weightBytes, inUse) };
const peaksBefore = request.peaks ?? (await measurePeaks(peakOptions));
const affordable = Math.floor(CALLS_MAX / Math.max(1, calls)) - WARM_UP_RUNS;
if (affordable < 1) {
  const most = CALLS_MAX / (WARM_UP_RUNS + 1);
  const state = `one run calls ${calls} nodes, at most ${most} are traced`;
  throw new LedgeError('unsupported', `Cannot profile ${file}: ${state}`);
}
const traced = await traceRuns('runs', {
  runs: Math.min(runsMax, affordable),
  warmUp: WARM_UP_RUNS,
  optimised: false,
});
const overhead = await measureOverhead({ folder, threads });
const peaks = request.peaks ?? betterPeaks(peaksBefore, await measurePeaks(peakOptions));
const answer: ProfileAnswer = {
  ...plain,
  traceFile: traced.file,
  warmUpRuns: WARM_UP_RUNS,
  optimisedFile: join(folder, 'optimised.onnx'),
  overhead,
  peaks,
};
process.stdout.write(JSON.stringify(answer));

/** Time and memory of the model as the node runs it, untraced. */
async function measurePlain() {
  const before = memoryUsage.rss();
  const start = performance.now();
  const session = await open();
  const loadMs = performance.now() - start;
  const loadedBytes = memoryUsage.rss() - before;
  for (let run = 0; run < WARM_UP_RUNS; run += 1) await session.run(sampleOf(run));
  const runMs: number[] = [];
  await repeat(runsMax, async (run) => {
    const from = performance.now();
    await session.run(sampleOf(run));
    runMs.push(performance.now() - from);
  });
  const residentBytes = memoryUsage.rss() - before;
  // Kilobytes, the most since the process began; what stood before the model is no part of it.
  const peakBytes = Math.max(0, resourceUsage().maxRSS * 1024 - before);
  await session.release();
  return { loadMs, loadedBytes, residentBytes, peakBytes, runMs };
}

interface Tracing {
  readonly runs: number;
  readonly warmUp: number;
  readonly optimised: boolean;
}

/** Runs the model with the runtime's own trace on, and reads it. */
async function traceRuns(name: string, { runs, warmUp, optimised }: Tracing) {
  const filePrefix = join(folder, `trace-${name}`);
  const optimisedFile = join(folder, 'optimised.onnx');
  const session = await open({ filePrefix, ...(optimised && { optimisedFile }) });
  for (let run = 0; run < warmUp; run += 1) await session.run(sampleOf(run));
  await repeat(runs, async (run) => {
    await session.run(sampleOf(run));
  });
  session.endTrace();
  await session.release();
  const names = await readdir(dirname(filePrefix));
  const found = names.find((one) => one.startsWith(basename(filePrefix)));
  if (found === undefined) throw new TypeError('the runtime wrote no trace');
  const path = join(folder, found);
  // Only the first is looked at here: the caller reads the others.
  const read: readonly TraceRun[] = optimised ? await readTrace(path) : [];
  return { file: path, runs: read };
}

async function repeat(runs: number, once: (run: number) => Promise<void>): Promise<void> {
  const end = performance.now() + TIME_MS;
  for (let run = 0; run < runs; run += 1) {
    if (!exact && run >= RUNS_MIN && performance.now() > end) return;
    await once(run);
  }
}

function open(trace?: TraceOptions): Promise<Session> {
  const [sample] = request.samples;
  return openSession({
    file,
    providers: ['cpu'],
    intraOpThreads: threads,
    inputs: sample?.inputs ?? [],
    outputs: sample?.outputs ?? [],
    ...(trace && { trace }),
  });
}

function sampleOf(run: number): readonly InputPart[] {
  return samples[run % samples.length] ?? [];
}

function countCalls(run: TraceRun | undefined): number {
  const count = (list: TraceRun['calls']): number =>
    list.reduce((sum, { inner }) => sum + 1 + count(inner), 0);
  return count(run?.calls ?? []);
}
