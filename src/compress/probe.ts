import { readFile } from 'node:fs/promises';
import { memoryUsage, resourceUsage } from 'node:process';
import { openSession, warmUpRuntime } from '../infer/session.ts';
import type { ProbeAnswer, ProbeRequest } from './measure-load.ts';
import { readSample } from './sample-file.ts';

// A process of its own: what a model costs to load is seen only where nothing was loaded before, and a
// model that brings the runtime down brings down nothing else.

const request = JSON.parse(process.argv[2] ?? '') as ProbeRequest;
await warmUpRuntime();
const { inputs, outputs, file } = request;
const sample = await readSample(request);
const before = memoryUsage.rss();
const start = performance.now();
const session = await openSession({ file, providers: ['cpu'], intraOpThreads: 1, inputs, outputs });
const loadMs = performance.now() - start;
const loadedBytes = memoryUsage.rss() - before;
await session.run(sample);
const answer: ProbeAnswer = {
  loadMs,
  loadedBytes,
  residentBytes: memoryUsage.rss() - before,
  // What stood before the model is no part of it.
  peakBytes: Math.max(0, (await highestRss()) - before),
};
process.stdout.write(JSON.stringify(answer));

/** Bytes at the highest point. Linux counts the starting process into its own figure of resources. */
async function highestRss(): Promise<number> {
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '');
  const kilobytes = /^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1] ?? resourceUsage().maxRSS;
  return Number(kilobytes) * 1024;
}
