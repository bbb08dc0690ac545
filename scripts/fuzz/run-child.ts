import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ChildMessage } from './child.ts';
import { type Finding, type FuzzReport, memoryReport, SAMPLE_BLOCKS } from './target.ts';

/** A block without a word for so long is a hang; a stopped machine is given its time. */
const HANG_MS = 60_000;
/** Bytes that each input may leave behind: an array that keeps one number would be more. */
const SLOPE_MAX = 4;
/** Growth counts from so many inputs on: caches fill, code is compiled. */
const GROWTH_INPUTS_MIN = 100_000;

export interface FuzzRange {
  readonly seed: number;
  readonly from: number;
  readonly inputs: number;
  onProgress(next: number): void;
}

/** Runs a target in a child that may crash, hang or grow, and says which of it did. */
export async function runChild(target: string, range: FuzzRange): Promise<FuzzReport> {
  const { seed, from, inputs, onProgress } = range;
  const findings: Finding[] = [];
  const samples: [number, number][] = [];
  const startMs = performance.now();
  let next = from;
  let blocks = 0;
  let slowest = { ms: 0, input: from };
  let ended = false;
  const script = fileURLToPath(new URL('child.ts', import.meta.url));
  const child = fork(script, [target, String(seed), String(from), String(from + inputs)]);
  let watchdog = setTimeout(hang, HANG_MS);

  function hang(): void {
    findings.push({ kind: 'hang', input: next, message: `no word for ${HANG_MS} ms` });
    child.kill('SIGKILL');
  }

  child.on('message', (given) => {
    const message = given as ChildMessage;
    clearTimeout(watchdog);
    if (message.kind === 'end') {
      ended = true;
      slowest = message.slowest;
      return;
    }
    watchdog = setTimeout(hang, HANG_MS);
    if (message.kind === 'finding') findings.push(message.finding);
    else {
      next = message.next;
      blocks += 1;
      if (blocks % SAMPLE_BLOCKS === 0) samples.push([next, message.memoryBytes]);
      onProgress(next);
    }
  });
  const code = await new Promise((resolve) => {
    child.once('exit', (status, signal) => resolve(status ?? signal));
  });
  clearTimeout(watchdog);
  if (!ended && !findings.some(({ kind }) => kind === 'hang')) {
    findings.push({ kind: 'crash', input: next, message: `the process ended with ${code}` });
  }
  const done = ended ? inputs : next - from;
  const seconds = (performance.now() - startMs) / 1000;
  const memory = memoryReport(samples);
  if (done >= GROWTH_INPUTS_MIN && memory.slopeBytesPerInput > SLOPE_MAX) {
    const message = `${memory.slopeBytesPerInput.toFixed(2)} bytes stay of each input`;
    findings.push({ kind: 'growth', input: from, message });
  }
  const perSecond = Math.round(done / seconds);
  return { target, seed, inputs: done, seconds, perSecond, findings, slowest, memory };
}
