import { basename, join } from 'node:path';
import { createEvent } from '../flow/case.ts';
import type { PlanStep } from '../flow/lane.ts';
import type { Step, StepContext } from '../flow/stage.ts';
import { type BaselineConfig, baseline } from '../stages/preprocess/baseline.ts';
import { type BaselineState, parseBaselineState } from '../stages/preprocess/baseline-state.ts';
import { LedgeError } from '../std/error.ts';
import { readStateFile } from '../store/state-files.ts';
import { readRows } from './read-rows.ts';

/** A machine whose normal is known: as numbers, and as the step that goes on from there. */
export interface LearnedMachine {
  readonly state: Extract<BaselineState, { phase: 'learned' }>;
  /** A step of the flow that stands where the machine stands. */
  open(): Step;
  /** Where it was learned: for the model's manifest and the report. */
  readonly from: string;
  /** What learning took, where it was done here. */
  readonly learned?: { readonly rows: number; readonly tookMs: number };
}

/** The `baseline` step of a flow: where it stands, and its configuration as written. */
export interface BaselineStep {
  readonly place: number;
  readonly step: PlanStep;
  readonly config: BaselineConfig;
}

/** Finds the one `baseline` of a flow. Throws `unsupported` where it has none, or several. */
export function findBaseline(
  steps: readonly PlanStep[],
  written: readonly Readonly<Record<string, unknown>>[],
): BaselineStep {
  const raw = written.filter((step) => Object.hasOwn(step, baseline.kind));
  const place = steps.findIndex(({ stage }) => stage === baseline.kind);
  const step = steps[place];
  if (step !== undefined && raw.length === 1) {
    const config = baseline.schema.parse(raw[0]?.[baseline.kind]) as BaselineConfig;
    return { place, step, config };
  }
  const state = `it has ${raw.length} steps \`baseline\`, expected one`;
  throw new LedgeError('unsupported', `Cannot export what the flow learned: ${state}`);
}

/** What a device of a node has learned, from the node's own files. Throws `not-found`, `value-invalid`. */
export async function keptMachine(
  { place, step, config }: BaselineStep,
  { folder, device }: { readonly folder: string; readonly device: string },
): Promise<LearnedMachine> {
  const kept = (await readStateFile(folder, device))?.[`${place}-${baseline.kind}`];
  if (kept === undefined) {
    const message = `Cannot export "${device}": nothing was learned of it in ${folder}`;
    throw new LedgeError('not-found', message, { context: { device, folder } });
  }
  return machineOf(parseBaselineState(kept, config), { step, kept, from: `device ${device}` });
}

/** Learns from a file of records as the node does from events. Throws as `readRows`, `value-invalid`. */
export async function learnMachine(
  { step, config }: BaselineStep,
  file: string,
): Promise<LearnedMachine> {
  const rows = await readRows(file, config.fields);
  const opened = step.compiled.open();
  const startedMs = performance.now();
  for (const { fields, line } of rows) {
    try {
      await opened.run({ kind: 'fields', fields }, contextOf(line));
    } catch (error) {
      if (!(error instanceof LedgeError)) throw error;
      throw new LedgeError(error.code, `${basename(file)}:${line}: ${error.message}`, {
        cause: error,
      });
    }
  }
  const tookMs = performance.now() - startedMs;
  if (rows.length < config.learn) {
    const state = `${file} has ${rows.length} records, learning takes ${config.learn}`;
    throw new LedgeError('value-invalid', `Cannot learn a normal: ${state}`);
  }
  const kept = opened.snapshot?.();
  const learned = { rows: rows.length, tookMs };
  const from = `${rows.length} records of ${basename(file)}`;
  return { ...machineOf(parseBaselineState(kept, config), { step, kept, from }), learned };
}

function machineOf(
  state: BaselineState,
  { step, kept, from }: { readonly step: PlanStep; readonly kept: unknown; readonly from: string },
): LearnedMachine {
  if (state.phase !== 'learned') {
    const seen = state.phase === 'learning' ? `${state.seen} records seen` : 'no record seen';
    throw new LedgeError('value-invalid', `Cannot export ${from}: it is still learning, ${seen}`);
  }
  return {
    state,
    from,
    open() {
      const opened = step.compiled.open();
      opened.restore?.(kept);
      return opened;
    },
  };
}

/** A step's surroundings outside of a flow; `at` is the event's second. */
export function contextOf(at: number): StepContext {
  const given = { device: 'machine', topic: 'machine', payload: new Uint8Array(), ts: at * 1000 };
  return { event: createEvent(given), named: () => undefined };
}

/** The folder in which a node keeps what the devices of a flow learned. */
export function stateFolderOf(data: string, flow: string): string {
  return join(data, 'state', flow);
}
