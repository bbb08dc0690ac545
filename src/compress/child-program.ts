import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { LedgeError } from '../std/error.ts';

export interface ProgramCall {
  /** The model's file, which messages name. */
  readonly file: string;
  readonly argument: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Runs a built program of this package in a process of its own and gives the JSON that it writes. Throws
 * `model-refused` with the program's last error where it fails, dies or takes too long.
 */
export async function runProgram<T>(
  program: `#${string}`,
  { file, argument, timeoutMs, signal }: ProgramCall,
): Promise<T> {
  // The build runs as plain JavaScript wherever this runs from.
  const path = createRequire(import.meta.url).resolve(program);
  const options = { signal, timeout: timeoutMs, killSignal: 'SIGKILL' } as const;
  const output = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, [path, argument], options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(failed(file, error, stderr));
    });
  });
  return JSON.parse(output) as T;
}

/** The last line that names an error says why; a process that was killed says nothing. */
function failed(file: string, error: Error & { signal?: unknown }, stderr: string): LedgeError {
  const told = stderr.split('\n').findLast((line) => /Error/.test(line));
  const reason = told?.trim() ?? (error.signal ? `it ended by ${error.signal}` : error.message);
  return new LedgeError('model-refused', `Cannot run ${file}: ${reason}`, { cause: error });
}
