import type { FlowEvent } from '../flow/event.ts';
import { createPlan } from '../flow/plan.ts';
import { createMemoryState } from '../flow/state.ts';
import type { Predictor, PredictorPool } from '../infer/predictor.ts';
import { createPredict } from '../stages/infer/predict.ts';
import { createStages } from '../stages/stages.ts';
import { LedgeError } from '../std/error.ts';
import { formatProblem } from '../std/yaml.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { closeLoaded, type LoadContext, type LoadedFlow, loadFlow } from './flow-load.ts';

/** What flows are compiled with, and where their models live. */
export interface Bench {
  readonly pool: Pick<PredictorPool, 'open'>;
  readonly load: LoadContext;
}

/** One run of a model: its file as the flow names it, and what it was given. */
export interface RecordedRun {
  readonly path: string;
  readonly inputs: Readonly<Record<string, Tensor>>;
}

/** A flow off the bus, whose models' inputs are noted. */
export interface Recorder extends AsyncDisposable {
  readonly loaded: LoadedFlow;
  /** Plays events through a plan that has learned nothing. Fails as the flow does. */
  play(events: readonly FlowEvent[]): Promise<readonly RecordedRun[]>;
}

/** Compiles a flow for recording. Throws `flow-invalid` with all its problems. */
export async function openRecorder(folder: string, { pool, load }: Bench): Promise<Recorder> {
  let runs: RecordedRun[] = [];
  const recording = tapPool(pool, (path) => (inputs) => {
    runs.push({ path, inputs: copied(inputs) });
  });
  const stages = createStages({ predict: createPredict(recording) });
  const found = await loadFlow(folder, { ...load, stages });
  if (found.kind === 'problems') {
    throw new LedgeError('flow-invalid', found.problems.map(formatProblem).join('\n'));
  }
  const loaded = found.value;
  return {
    loaded,
    async play(events) {
      runs = [];
      const plan = createPlan(loaded.parts, createMemoryState());
      for (const event of events) {
        const { end } = await plan.process(event);
        if (end.kind === 'fail') throw end.error;
      }
      return runs;
    },
    [Symbol.asyncDispose]: () => closeLoaded(loaded),
  };
}

/** A pool that tells, of each model that is opened, what it is given; the buffers may go afterwards. */
export function tapPool(
  pool: Bench['pool'],
  opened: (path: string, predictor: Predictor) => (inputs: RecordedRun['inputs']) => void,
): Bench['pool'] {
  return {
    async open(path, options) {
      const predictor = await pool.open(path, options);
      const tell = opened(path, predictor);
      const run: Predictor['run'] = (inputs, more) => {
        tell(inputs);
        return predictor.run(inputs, more);
      };
      return { ...predictor, run };
    },
  };
}

/** The runtime's thread may take the buffers away. */
function copied(inputs: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  const entries = Object.entries(inputs);
  return Object.fromEntries(
    entries.map(([name, tensor]) => [name, { ...tensor, data: tensor.data.slice() }]),
  );
}
