import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import * as runtime from 'onnxruntime-node';
import { createNoise } from './models.ts';
import { percentile } from './statistics.ts';

// The reference: a loop around the runtime, with no path around it. Its own process, so that nothing
// of the benchmark's memory or compiled code stands in its way. Settings in argv[2]; each line on
// stdin is one measurement, {batch, durationMs}; each answer one line on stdout.

/** What one process measures. */
export interface BareSettings {
  readonly model: string;
  readonly input: string;
  /** Without the batch. */
  readonly shape: readonly number[];
  readonly threads: number;
}

export interface BareRequest {
  readonly batch: number;
  readonly durationMs: number;
}

export interface BareResult {
  readonly eventsPerSecond: number;
  readonly runMsP50: number;
  readonly cpuMsPerEvent: number;
}

const settings = JSON.parse(process.argv[2] ?? '') as BareSettings;
const session = await runtime.InferenceSession.create(readFileSync(settings.model), {
  executionProviders: ['cpu'],
  intraOpNumThreads: settings.threads,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
});
const output = session.outputNames[0]!;
process.stdout.write(`${JSON.stringify({ ready: true })}\n`);

for await (const line of createInterface({ input: process.stdin })) {
  const result = await measure(JSON.parse(line) as BareRequest);
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

async function measure({ batch, durationMs }: BareRequest): Promise<BareResult> {
  const next = createNoise(batch);
  const shape = [batch, ...settings.shape];
  const count = shape.reduce((product, size) => product * size, 1);
  const tensor = new runtime.Tensor(
    'float32',
    Float32Array.from({ length: count }, () => next() * 2 - 1),
    shape,
  );
  const feeds = { [settings.input]: tensor };
  for (let warm = 0; warm < 5; warm += 1) await session.run(feeds, [output]);
  const runs: number[] = [];
  const cpuBefore = process.cpuUsage();
  const startedAtMs = performance.now();
  let nowMs = startedAtMs;
  while (nowMs - startedAtMs < durationMs) {
    await session.run(feeds, [output]);
    const afterMs = performance.now();
    runs.push(afterMs - nowMs);
    nowMs = afterMs;
  }
  const cpu = process.cpuUsage(cpuBefore);
  const events = runs.length * batch;
  return {
    eventsPerSecond: (events / (nowMs - startedAtMs)) * 1000,
    runMsP50: percentile(
      runs.sort((a, b) => a - b),
      0.5,
    ),
    cpuMsPerEvent: (cpu.user + cpu.system) / 1000 / events,
  };
}
