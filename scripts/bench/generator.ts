import { runClosedLoop } from './closed-loop.ts';
import type { GeneratorLine, Load } from './load.ts';
import { runOpenLoop } from './open-loop.ts';
import type { Moment } from './recorder.ts';

// The load generator's process: its plan is the first argument, what it saw goes to stdout.
const load = JSON.parse(process.argv[2] ?? '') as Load;
const tell = (line: GeneratorLine): void => {
  process.stdout.write(`${JSON.stringify(line)}\n`);
};

let cpuBefore = process.cpuUsage();
const onMoment = (moment: Moment): void => {
  if (moment === 'measuring') cpuBefore = process.cpuUsage();
  tell({ kind: moment });
};
const { pace } = load;
const outcome =
  pace.kind === 'closed'
    ? await runClosedLoop(load, pace.inFlight, onMoment)
    : await runOpenLoop(load, pace, onMoment);
const cpu = process.cpuUsage(cpuBefore);
tell({ kind: 'done', result: { ...outcome, cpuMs: (cpu.user + cpu.system) / 1000 } });
