import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { BareRequest, BareResult, BareSettings } from './bare.ts';

export interface BareLoop {
  measure(request: BareRequest): Promise<BareResult>;
  stop(): void;
}

const PROGRAM = fileURLToPath(new URL('bare.ts', import.meta.url));

/** The bare runtime's loop in a process of its own, ready to measure. */
export async function startBareLoop(settings: BareSettings): Promise<BareLoop> {
  const child = spawn(process.execPath, ['--import', 'tsx', PROGRAM, JSON.stringify(settings)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nextLine = async (): Promise<unknown> => {
    const line = await lines.next();
    if (line.done) throw new Error('The bare loop ended early');
    return JSON.parse(line.value);
  };
  await nextLine();
  return {
    async measure(request) {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      return (await nextLine()) as BareResult;
    },
    stop: () => child.stdin.end(),
  };
}
