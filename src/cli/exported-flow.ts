import type { PlanStep } from '../flow/lane.ts';
import type { Step } from '../flow/stage.ts';
import { BASELINE_STATE } from '../models/baseline-model.ts';
import { MANIFEST_FILE } from '../models/store.ts';
import { LedgeError } from '../std/error.ts';
import { contextOf, type LearnedMachine } from './learned-machine.ts';

/** How far the fault of the written test is: far beyond any threshold that finds more than noise. */
const FAULT_SCORE = 10;
/** Scores are told to four digits, and the model's whitening is float32. */
const TOLERANCE = 2e-4;

const HEAD = [
  '# Written by `ledge model export`. JSON is YAML: change it as any flow.',
  '# It judges every device of its source by this one machine: give it a topic of its own.',
  '',
].join('\n');

type Fields = Readonly<Record<string, number>>;
type Written = Readonly<Record<string, unknown>>;

/**
 * The files of a flow in which `predict` stands in place of `baseline`: flow.yaml and the events of
 * its tests, whose expected results are what the steps that learned say. Throws `unsupported` where
 * another step runs a model of its own.
 */
export async function exportFlow(
  written: Written,
  {
    machine,
    steps,
    title,
  }: {
    readonly machine: LearnedMachine;
    readonly steps: readonly PlanStep[];
    readonly title: string;
  },
): Promise<ReadonlyMap<string, string>> {
  const normal = recordsOf(machine, 0);
  const fault = recordsOf(machine, faultOf(machine));
  const expected = await resultsOf(machine, steps, { normal, fault });
  const { names } = machine.state;
  const flow = {
    description: title,
    ...(written.priority !== undefined && { priority: written.priority }),
    source: written.source,
    steps: (written.steps as readonly Written[]).flatMap((step) => replaced(step, names)),
    ...(written.sink !== undefined && { sink: written.sink }),
    ...(Array.isArray(written.entity) && { entity: written.entity.filter(isNoRelearning) }),
    tests: [
      {
        name: 'a machine as it was learned',
        event: 'normal.jsonl',
        last: true,
        expect: [expected.normal],
      },
      {
        name: `a machine whose ${names[0]} moves`,
        event: ['normal.jsonl', 'fault.jsonl'],
        last: true,
        expect: [expected.fault],
      },
    ],
  };
  return new Map([
    ['flow.yaml', `${HEAD}${JSON.stringify(flow, null, 2)}\n`],
    ['normal.jsonl', linesOf(normal)],
    ['fault.jsonl', linesOf(fault)],
  ]);
}

function replaced(step: Written, names: readonly string[]): Written[] {
  if (Object.hasOwn(step, 'predict')) {
    const message = 'Cannot export the flow: another step of it runs a model of its own';
    throw new LedgeError('unsupported', message);
  }
  if (!Object.hasOwn(step, 'baseline')) return [step];
  const { baseline: _, from, as } = step;
  return [
    { stack: { fields: names, type: 'float64' }, ...(from !== undefined && { from }) },
    {
      predict: { model: MANIFEST_FILE, outputs: 'deviation', state: BASELINE_STATE },
      ...(as !== undefined && { as }),
    },
  ];
}

/** An exported model learns nothing: it has no button for that. */
function isNoRelearning(entity: unknown): boolean {
  return !JSON.stringify(entity).includes('flow/relearn');
}

/** A window of records at the middle of normal, the first field moved by so many deviations. */
function recordsOf({ state }: LearnedMachine, deviations: number): Fields[] {
  const { names, normal, reference, recent } = state;
  const values = names.map((name, at) => {
    const scaled = (reference[at] as number) + (at === 0 ? deviations : 0);
    return [name, (normal.mean[at] as number) + scaled * (normal.scale[at] as number)] as const;
  });
  const window = recent.length / names.length;
  return Array.from({ length: window }, () => Object.fromEntries(values));
}

/** How many deviations the first field moves for that score. */
function faultOf({ state }: LearnedMachine): number {
  const { names, normal } = state;
  const column = names.map((_, at) => normal.whiten[at * names.length] as number);
  return FAULT_SCORE / Math.hypot(...column);
}

async function resultsOf(
  machine: LearnedMachine,
  steps: readonly PlanStep[],
  { normal, fault }: { readonly normal: readonly Fields[]; readonly fault: readonly Fields[] },
) {
  const first = steps.findIndex(({ stage }) => stage === 'baseline');
  const opened = [machine.open(), ...steps.slice(first + 1).map(({ compiled }) => compiled.open())];
  return { normal: await lastOf(opened, normal), fault: await lastOf(opened, fault) };
}

/** The last result of some records, as a test expects it: numbers within what rounding does. */
async function lastOf(opened: readonly Step[], records: readonly Fields[]): Promise<Written> {
  let result: Written = {};
  for (const [at, fields] of records.entries()) {
    let value: Parameters<Step['run']>[0] = { kind: 'fields', fields };
    for (const step of opened) {
      const outcome = await step.run(value, contextOf(at));
      if (outcome.kind !== 'emit') break;
      value = outcome.value;
    }
    if (value.kind === 'result') result = value.result;
  }
  const { anomaly, score } = result;
  const about = (number: number) => {
    const room = TOLERANCE * Math.max(1, Math.abs(number));
    return [number - room, number + room];
  };
  return {
    ...(anomaly !== undefined && { anomaly }),
    ...(typeof score === 'number' && { score: about(score) }),
  };
}

function linesOf(records: readonly Fields[]): string {
  return `${records.map((record) => JSON.stringify(record)).join('\n')}\n`;
}
