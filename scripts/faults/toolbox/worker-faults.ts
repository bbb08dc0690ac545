import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { POISON } from './event.ts';

const WORKER = fileURLToPath(new URL('../../../dist/infer/worker.js', import.meta.url));

/** What the preloaded program writes on stderr when it has ended a worker. */
export const WORKER_KILLED = 'faults: a worker was ended in the middle of a run';

/** Runs between two ends: what was in the run that was ended has long been tried again. */
const BETWEEN_RUNS = 50;

/**
 * Writes what makes a node's workers fail, and gives the options of Node that load it: each worker is
 * the real one beside a listener that ends it at a poisonous event, and at SIGUSR2 the next worker
 * that is given a run ends before it has answered. It ends by itself: a worker that is terminated from
 * outside while it is inside the runtime takes the whole process with it, which the node never does.
 */
export function writeWorkerFaults(folder: string): readonly string[] {
  const worker = join(folder, 'poisoned-worker.mjs');
  const preload = join(folder, 'worker-faults.mjs');
  writeFileSync(worker, poisonedWorker());
  writeFileSync(preload, preloaded(worker));
  return ['--import', pathToFileURL(preload).href];
}

function poisonedWorker(): string {
  return [
    "import { parentPort } from 'node:worker_threads';",
    `import ${JSON.stringify(pathToFileURL(WORKER).href)};`,
    'const poisoned = ({ kind, slab, runs }) =>',
    `  kind === 'run' && (hasPoison(slab) || JSON.stringify(runs).includes('${POISON}'));`,
    'const hasPoison = (slab) =>',
    `  slab !== undefined && new Float32Array(slab, 0, slab.byteLength >> 2).includes(${POISON});`,
    "parentPort.on('message', (message) => { if (poisoned(message)) process.exit(1); });",
    "parentPort.on('message', ({ kind, turns }) => { if (kind === 'faults-end') end(turns); });",
    // Some ends come before the run has begun, some between two runs of one message.
    'const end = (turns) => (turns > 0 ? setImmediate(end, turns - 1) : process.exit(1));',
    '',
  ].join('\n');
}

function preloaded(worker: string): string {
  return [
    "import { syncBuiltinESMExports } from 'node:module';",
    "import threads from 'node:worker_threads';",
    'const Real = threads.Worker;',
    'let armed = false;',
    'let answered = Infinity;',
    'let count = 0;',
    'threads.Worker = class extends Real {',
    '  constructor(file, options) {',
    `    super(String(file).endsWith('worker.js') ? ${JSON.stringify(worker)} : file, options);`,
    "    this.on('message', ({ kind }) => { if (kind === 'ran') answered += 1; });",
    '  }',
    '  postMessage(message, transfer) {',
    '    super.postMessage(message, transfer);',
    // What the last one was ended with is tried again first: twice would make it a poisonous event.
    `    if (!armed || message.kind !== 'run' || answered < ${BETWEEN_RUNS}) return;`,
    '    armed = false;',
    '    answered = 0;',
    "    super.postMessage({ kind: 'faults-end', turns: count++ % 3 });",
    `    process.stderr.write(${JSON.stringify(`${WORKER_KILLED}\n`)});`,
    '  }',
    '};',
    'syncBuiltinESMExports();',
    "process.on('SIGUSR2', () => { armed = true; });",
    '',
  ].join('\n');
}
