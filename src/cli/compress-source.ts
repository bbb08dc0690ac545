import { realpath, stat } from 'node:fs/promises';
import { countedOf, type Dataset } from '../evaluate/dataset.ts';
import type { Evaluate } from '../evaluate/evaluation.ts';
import { type OpenDataset, openDataset } from '../evaluate/open-dataset.ts';
import { halves } from '../evaluate/split.ts';
import type { InputPart } from '../infer/protocol.ts';
import { type LoadedModel, loadModel } from '../models/store.ts';
import type { NodeConfig } from '../node/config.ts';
import { LedgeError } from '../std/error.ts';
import { createTeardown, type Teardown } from '../std/teardown.ts';
import { openFlowEvaluator } from './flow-evaluator.ts';
import { findFlow } from './flow-folder.ts';
import { recordInputs } from './recorded-inputs.ts';

/** Options that only a flow can do something with. */
const FLOW_OPTIONS = ['data', 'calibrate', 'choose'] as const;

export interface SourceOptions {
  readonly config: NodeConfig;
  readonly signal: AbortSignal;
  /** Folders of labelled data. */
  readonly data?: string;
  readonly calibrate?: string;
  readonly choose?: string;
  /** Whether a recipe is to be chosen: by other events than those that accuracy is told on. */
  readonly searches: boolean;
}

/** What is to be compressed, with all that can be asked of it. */
export interface CompressSource extends AsyncDisposable {
  readonly file: string;
  readonly model?: LoadedModel;
  readonly samples?: readonly (readonly InputPart[])[];
  /** On the events that the report tells accuracy of. */
  readonly tell?: Evaluate;
  /** On those that a search chooses by. */
  readonly choose?: Evaluate;
  /** What those are, in words. */
  readonly chosenBy: string;
}

/** Finds a model's file, or that of a flow with its evaluation and what its own events give it. */
export async function openCompressSource(
  target: string,
  options: SourceOptions,
): Promise<CompressSource> {
  const state = await stat(target).catch(() => undefined);
  if (state?.isFile()) return openFile(target, options);
  const teardown = createTeardown();
  try {
    const opened = await openFlowSource(await findFlow(target, options.config), options, teardown);
    return { ...opened, [Symbol.asyncDispose]: () => teardown.run() };
  } catch (error) {
    await teardown.run();
    throw error;
  }
}

async function openFlowSource(
  folder: string,
  { config, signal, searches, ...folders }: SourceOptions,
  teardown: Teardown,
): Promise<Omit<CompressSource, typeof Symbol.asyncDispose>> {
  const open = async (path: string | undefined): Promise<OpenDataset | undefined> => {
    if (path === undefined) return undefined;
    const dataset = await openDataset(path);
    teardown.add(path, () => dataset[Symbol.asyncDispose]());
    return dataset;
  };
  const calibrate = await open(folders.calibrate);
  const recording = { config, signal, ...(calibrate && { calibrate }) };
  const { path, samples } = await recordInputs(folder, recording);
  const model = await loadModel(path);
  const evaluator = await openFlowEvaluator(folder, { config, signal });
  teardown.add('the evaluation', () => evaluator[Symbol.asyncDispose]());
  const data = await open(folders.data);
  const chooseData = await open(folders.choose);
  await refuseShared(data, { calibrate, choose: chooseData });
  const { tell, choose, chosenBy } = parts(data, { choose: chooseData, searches });
  return {
    file: model.file,
    model,
    ...(samples.length > 0 && { samples }),
    tell: evaluator.on(tell),
    choose: evaluator.on(choose),
    chosenBy,
  };
}

async function openFile(target: string, options: SourceOptions): Promise<CompressSource> {
  const given = FLOW_OPTIONS.find((name) => options[name] !== undefined);
  if (given !== undefined) {
    const state = `${target} is a model alone; give the flow that it belongs to`;
    throw new LedgeError('unsupported', `Cannot use --${given}: ${state}`);
  }
  const model = target.endsWith('.onnx') ? undefined : await loadModel(target);
  return {
    file: model?.file ?? target,
    ...(model && { model }),
    chosenBy: 'A model alone has no accuracy: noise at its outputs stands for it.',
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** What accuracy is told on must be seen by nothing else. Throws `config-invalid`. */
async function refuseShared(
  data: Dataset | undefined,
  others: Readonly<Record<string, Dataset | undefined>>,
): Promise<void> {
  const told = new Set(await filesOf(data));
  for (const [option, other] of Object.entries(others)) {
    const shared = (await filesOf(other)).filter((file) => told.has(file));
    if (shared.length === 0) continue;
    const state = `${shared.length} of its files are in --data as well, the first ${shared[0]}`;
    throw new LedgeError('config-invalid', `Cannot use --${option}: ${state}`);
  }
}

/** Where its events lie in truth, whatever links lead there. */
function filesOf(dataset: Dataset | undefined): Promise<readonly string[]> {
  return Promise.all((dataset?.events ?? []).flatMap(({ file }) => (file ? realpath(file) : [])));
}

/** Which events choose and which tell, so that no figure is told of events that chose. */
function parts(
  data: Dataset | undefined,
  { choose, searches }: { readonly choose: Dataset | undefined; readonly searches: boolean },
) {
  const told = (of: Dataset, rest: string) =>
    `Accuracy of candidates: on ${countedOf(of)} events${rest}.`;
  if (choose !== undefined) {
    return { tell: data, choose, chosenBy: told(choose, ' of the data to choose by') };
  }
  if (data === undefined || !searches) {
    const chosenBy = "Accuracy of candidates: on the flow's own tests, which the report tells too.";
    return { tell: data, choose: data, chosenBy };
  }
  const half = halves(data);
  if (countedOf(half.choose) === 0) {
    const state = 'no label of it has two events: give other data with --choose';
    throw new LedgeError('payload-invalid', `Cannot choose by half of the data: ${state}`);
  }
  const chosenBy = told(half.choose, ' of the data; the report tells it of the others');
  return { ...half, chosenBy };
}
