import { parseArgs } from 'node:util';
import { runChild } from './run-child.ts';
import type { FuzzReport } from './target.ts';
import { TARGETS } from './targets.ts';

const HELP = `npm run fuzz -- --target NAME [--inputs N] [--seed N] [--from N] [--json]
  --target   broker: packets over TCP to a real node; packets: the same to the reader alone;
             onnx: the reader of models; parsers: every other parser of outside bytes
  --inputs   how many, 1000000 by default
  --seed     another seed, other inputs; the same seed, the same
  --from     begins at this input: with --inputs 1 it tries one again
  --json     only the report as JSON on stdout
`;

const { values } = parseArgs({
  options: {
    target: { type: 'string' },
    inputs: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '1' },
    from: { type: 'string', default: '0' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

/** Twentieths of the way that were told. */
let told = 0;

process.exitCode = values.help ? tellHelp(0) : await main(values.target ?? '');

async function main(target: string): Promise<number> {
  if (target !== 'broker' && !TARGETS.has(target)) return tellHelp(2);
  const report = await run(target);
  const { findings, inputs, perSecond, memory, slowest } = report;
  if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else {
    for (const { kind, input, message } of findings) {
      process.stdout.write(`${kind} at input ${input}: ${message}\n`);
    }
    const slope = memory.slopeBytesPerInput.toFixed(3);
    process.stdout.write(
      `${target}: ${inputs} inputs, ${perSecond} each second, ${findings.length} findings, ` +
        `slowest ${slowest.ms.toFixed(1)} ms (input ${slowest.input}), ` +
        `memory ${megabytes(memory.firstBytes)} -> ${megabytes(memory.lastBytes)} MB, ` +
        `${slope} bytes an input\n`,
    );
  }
  return findings.length > 0 ? 1 : 0;
}

async function run(target: string): Promise<FuzzReport> {
  const range = {
    seed: Number(values.seed),
    from: Number(values.from),
    inputs: Number(values.inputs),
    onProgress: progress,
  };
  if (target !== 'broker') return runChild(target, range);
  return (await import('./run-broker.ts')).runBroker(range);
}

/** A line on stderr at each twentieth of the way. */
function progress(next: number): void {
  const part = Math.floor((20 * (next - Number(values.from))) / Number(values.inputs));
  if (part <= told) return;
  told = part;
  process.stderr.write(`${part * 5} %\n`);
}

function tellHelp(code: number): number {
  process.stdout.write(HELP);
  return code;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
