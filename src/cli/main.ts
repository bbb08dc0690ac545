#!/usr/bin/env node
import { runCommandLine } from './command-line.ts';

const stop = new AbortController();
let signals = 0;

/** The first signal lets the command end in order, the second ends it at once. */
function onSignal(): void {
  signals += 1;
  // Not process.exit: onnxruntime aborts, with a core file, where a worker is inside a run.
  if (signals > 1) process.kill(process.pid, 'SIGKILL');
  stop.abort();
}

process.on('SIGINT', onSignal);
process.on('SIGTERM', onSignal);
// A reader that went away (`ledge ... | head`) is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

process.exitCode = await runCommandLine(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  signal: stop.signal,
});
