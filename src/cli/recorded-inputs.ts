import type { Dataset } from '../evaluate/dataset.ts';
import { flowEventOf } from '../evaluate/evaluation.ts';
import { spread } from '../evaluate/split.ts';
import { caseEvents } from '../flow/case.ts';
import { createPlan } from '../flow/plan.ts';
import { createMemoryState } from '../flow/state.ts';
import type { InputPart } from '../infer/protocol.ts';
import type { NodeConfig } from '../node/config.ts';
import { closeLoaded, type LoadedFlow } from '../node/flow-load.ts';
import { tapPool } from '../node/record-runs.ts';
import { createPredict } from '../stages/infer/predict.ts';
import { createStages } from '../stages/stages.ts';
import { LedgeError } from '../std/error.ts';
import { evenly } from '../std/evenly.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { loadOrFail, openWorkbench } from './flow-folder.ts';

/** More inputs make calibration slower and hardly better. */
const INPUTS_MAX = 128;
/** Of which those are taken, evenly: an event of many windows must not crowd out the others. */
const INPUTS_SEEN_MAX = 2048;

/** What a flow gives its model when events go through it. */
export interface Recorded {
  /** model.yaml or a bare .onnx, as the flow names it. */
  readonly path: string;
  readonly samples: readonly (readonly InputPart[])[];
}

export interface RecordOptions {
  readonly config: NodeConfig;
  /** Events to record; without them, those of the flow's own tests. */
  readonly calibrate?: Dataset;
  readonly signal: AbortSignal;
}

/** Runs events through a flow and keeps what its model gets. Throws `unsupported` unless it has one. */
export async function recordInputs(folder: string, options: RecordOptions): Promise<Recorded> {
  const [first, second] = await recordAllInputs(folder, options);
  if (first === undefined || second !== undefined) {
    const state = first === undefined ? 'it has no model' : 'it has several models: name one file';
    throw new LedgeError('unsupported', `Cannot compress the flow's model: ${state}`);
  }
  if (options.calibrate !== undefined && first.samples.length === 0) {
    const state = 'none of the events to calibrate with reached it';
    throw new LedgeError('payload-invalid', `Cannot compress the flow's model: ${state}`);
  }
  return first;
}

/** The same for each model of a flow; none where it has none. */
export async function recordAllInputs(
  folder: string,
  options: RecordOptions,
): Promise<readonly Recorded[]> {
  await using workbench = await openWorkbench(options.config);
  const records = new Map<string, (readonly InputPart[])[]>();
  const recording = tapPool(workbench.pool, (path, { inputs }) => {
    const kept: (readonly InputPart[])[] = [];
    records.set(path, kept);
    return (given) => {
      if (kept.length < INPUTS_SEEN_MAX) kept.push(inputs.map(({ name }) => copied(given[name])));
    };
  });
  const stages = createStages({ predict: createPredict(recording) });
  const loaded = await loadOrFail(folder, { ...workbench, load: { ...workbench.load, stages } });
  if (options.calibrate === undefined) await runTests(loaded, folder);
  else await runData(loaded, options.calibrate, options.signal);
  await closeLoaded(loaded);
  return [...records].map(([path, seen]) => ({ path, samples: evenly(seen, INPUTS_MAX) }));
}

async function runTests(loaded: LoadedFlow, folder: string): Promise<void> {
  for (const test of loaded.parts.tests) {
    const plan = createPlan(loaded.parts, createMemoryState());
    for await (const event of caseEvents(test, folder)) await plan.process(event);
  }
}

async function runData({ parts }: LoadedFlow, data: Dataset, signal: AbortSignal): Promise<void> {
  const plan = createPlan(parts, createMemoryState());
  for (const [at, event] of spread(data, INPUTS_MAX).entries()) {
    signal.throwIfAborted();
    await plan.process(await flowEventOf(event, at));
  }
}

/** The runtime's thread may take the buffer away. */
function copied(tensor: Tensor | undefined): InputPart {
  if (tensor === undefined) throw new TypeError('an input of the model is missing');
  const { data, shape } = tensor;
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { shape, buffer: new Uint8Array(bytes).buffer, byteOffset: 0 };
}
