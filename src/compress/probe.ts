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
  // Kilobytes, the most since the process began; what stood before the model is no part of it.
  peakBytes: Math.max(0, resourceUsage().maxRSS * 1024 - before),
};
process.stdout.write(JSON.stringify(answer));
