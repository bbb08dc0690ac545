import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { warmUpRuntime } from '../../../src/infer/session.ts';
import { argmaxOfLast, openDecoder } from '../../compress/decoder.ts';
import type { DecodeAnswer, DecodeRequest, DecodeSettings } from './decode-process.ts';

// One model in a process of its own, decoding greedily: what it takes of memory is seen only here.

/** Decoding begins again from the prompt when so many tokens are in the cache. */
const TOKENS_MAX = 256;
const PROMPT = [464, 2159, 318, 257];

const settings = JSON.parse(process.argv[2] ?? '') as DecodeSettings;
const { file, cache, threads, vocabulary } = settings;
await warmUpRuntime();
const bareBytes = process.memoryUsage.rss();
await using decoder = await openDecoder(file, { cache, threads });
let count = 0;
let token = 0;

function answer(value: DecodeAnswer): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

async function begin(): Promise<void> {
  decoder.reset();
  token = argmaxOfLast(await decoder.step(PROMPT.map((one) => one % vocabulary)), vocabulary);
  count = PROMPT.length;
}

async function decode(tokens: number): Promise<DecodeAnswer> {
  if (count + tokens >= TOKENS_MAX) await begin();
  // One more first, which does not count: others had the processor's caches until now.
  for (let at = -1; at < tokens; at += 1) {
    if (at === 0) startedAtMs = performance.now();
    token = argmaxOfLast(await decoder.step([token]), vocabulary);
    count += 1;
  }
  return { ms: performance.now() - startedAtMs, residentBytes: residentBytes() };
}

function residentBytes(): number {
  return process.memoryUsage.rss() - bareBytes;
}

let startedAtMs = 0;
await begin();
answer({ ms: 0, residentBytes: residentBytes() });
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as DecodeRequest;
  if (request.kind === 'decode') answer(await decode(request.tokens));
  else {
    decoder.reset();
    writeFileSync(request.file, await decoder.step(request.tokens));
    await begin();
    answer({ ms: 0, residentBytes: residentBytes() });
  }
}
