import { resolve } from 'node:path';
import { ladderLimitsSchema, type StepLadder } from '../../flow/ladder.ts';
import {
  type CompiledStep,
  defineStage,
  emit,
  FieldError,
  type Stage,
  type StageContext,
  type Step,
  type StepContext,
} from '../../flow/stage.ts';
import { formatType, type Value, type ValueType } from '../../flow/value.ts';
import type { Predictor, PredictorPool } from '../../infer/predictor.ts';
import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';
import {
  arrayOf,
  elementCount,
  FREE,
  formatShape,
  type NamedTensorSpec,
  shapeFits,
  type Tensor,
  type TensorSpec,
  zeros,
} from '../../tensor/tensor.ts';

const constant = z.union([z.number(), z.array(z.number()).max(65_536)]);

const schema = z.strictObject({
  model: z
    .string()
    .min(1)
    .describe(
      'model.yaml or a bare .onnx file, relative to the flow; a folder means its model.yaml.',
    ),
  inputs: z
    .record(z.string(), z.union([z.string(), constant]))
    .default({})
    .describe(
      "What each of the model's inputs gets: a value stored with `as`, or a constant. The one input left gets the step's own value.",
    ),
  outputs: z
    .union([z.string(), z.array(z.string()).min(1)])
    .optional()
    .describe(
      'The outputs that go on: one as a tensor, several by name. Default: all that are no state.',
    ),
  state: z
    .record(z.string(), z.string())
    .default({})
    .describe('Outputs that come back as inputs with the next event of the same device.'),
  batch: z
    .strictObject({
      sizeMax: z.int().min(1).max(256).default(32).describe('Requests that may share one run.'),
      waitMsMax: z
        .number()
        .min(0)
        .max(1000)
        .default(0)
        .describe('How long a free worker waits for more requests; 0 takes what is there.'),
    })
    .prefault({})
    .describe("Sharing of runs across devices, where the model's batch axis is free."),
  timeoutMs: z
    .number()
    .positive()
    .max(600_000)
    .default(30_000)
    .describe('A run that takes longer loses its worker.'),
  rung: z
    .string()
    .optional()
    .describe("The rung of the model's ladder that is run. Default: the one that suits the board."),
  ladder: z
    .union([z.enum(['auto', 'fixed']), ladderLimitsSchema])
    .optional()
    .describe(
      'Whether the node steps down the ladder under heat, queue or missed deadlines, and up again; or the limits for that. Default: auto, with `rung` fixed.',
    ),
});

type Config = z.infer<typeof schema>;

/** Where one input of the model comes from. */
interface Binding {
  readonly spec: NamedTensorSpec;
  readonly from:
    | { readonly kind: 'value' } // the step's own input
    | { readonly kind: 'part'; readonly name: string } // one of the named tensors it gets
    | { readonly kind: 'named'; readonly name: string }
    | { readonly kind: 'constant'; readonly tensor: Tensor }
    | { readonly kind: 'state'; readonly output: string };
  /** The flow's value has no batch axis: one of size 1 is put before it. */
  readonly batchAdded: boolean;
}

/** The stage that runs a model; `pool` says where models live. */
export function createPredict(pool: Pick<PredictorPool, 'open'>): Stage {
  return defineStage<Config>({
    kind: 'predict',
    phase: 'infer',
    summary: 'Runs an ONNX model in a worker thread, in batches across devices.',
    schema,
    async create(config, context) {
      const { batch, timeoutMs, rung } = config;
      const path = resolve(context.folder, config.model);
      const predictor = await pool
        .open(path, { batch, timeoutMs, rung })
        .catch((error: unknown) => {
          throw unknownRung(config, error) ?? error;
        });
      try {
        return compile(config, context, predictor);
      } catch (error) {
        await predictor.close();
        throw error;
      }
    },
  });
}

/** A rung that the model does not have is told of at its own field. */
function unknownRung({ rung }: Config, error: unknown): FieldError | undefined {
  if (rung === undefined || !(error instanceof LedgeError)) return undefined;
  const { rungs } = error.context;
  if (error.code !== 'not-found' || !Array.isArray(rungs)) return undefined;
  const expected = rungs.length > 0 ? `one of ${rungs.join(', ')}` : 'a model with a ladder';
  return new FieldError('rung', rung, expected);
}

function compile(config: Config, context: StageContext, predictor: Predictor): CompiledStep {
  checkNames(config, predictor);
  const bindings = bindInputs(config, context, predictor);
  const batchAdded = bindings.some((binding) => binding.batchAdded);
  const outputs = pickOutputs(config, predictor, batchAdded);
  const options = { priority: context.priority };
  return {
    output: outputType(outputs, predictor.labels),
    scope: Object.keys(config.state).length > 0 ? 'device' : 'shared',
    open: () => openStep({ bindings, outputs, batchAdded, predictor, options }),
    get model() {
      return predictor.model;
    },
    get memoryBytes() {
      return predictor.memoryBytes;
    },
    ladder: ladderOf(config, predictor),
    close: () => predictor.close(),
  };
}

function ladderOf({ rung, ladder }: Config, { rungs }: Predictor): StepLadder | undefined {
  if (rungs === undefined) return undefined;
  const limits = typeof ladder === 'object' ? ladder : {};
  const stepping = ladder === undefined && rung !== undefined ? 'fixed' : 'auto';
  return { rungs, limits, stepping: ladder === 'fixed' ? 'fixed' : stepping };
}

interface StepParts {
  readonly bindings: readonly Binding[];
  readonly outputs: readonly NamedTensorSpec[];
  readonly batchAdded: boolean;
  readonly predictor: Predictor;
  readonly options: { readonly priority: StageContext['priority'] };
}

function openStep({ bindings, outputs, batchAdded, predictor, options }: StepParts): Step {
  const state = new Map<string, Tensor>();

  function input(binding: Binding, value: Value, context: StepContext): Tensor {
    const { from, spec } = binding;
    if (from.kind === 'constant') return from.tensor;
    if (from.kind === 'state')
      return state.get(from.output) ?? zeros(spec.type, settled(spec.shape));
    const tensor = from.kind === 'named' ? context.named(from.name) : partOf(value, from);
    if (tensor?.kind !== 'tensor') throw new LedgeError('internal', `no tensor for "${spec.name}"`);
    return binding.batchAdded ? { ...tensor, shape: [1, ...tensor.shape] } : tensor;
  }

  const unbatch = (tensor: Tensor): Tensor =>
    batchAdded && tensor.shape[0] === 1 ? { ...tensor, shape: tensor.shape.slice(1) } : tensor;

  return {
    async run(value, context) {
      const inputs: Record<string, Tensor> = {};
      for (const binding of bindings) {
        inputs[binding.spec.name] = input(binding, value, context);
      }
      const { deadlineAtMs } = context.event;
      const startedMs = performance.now();
      const model = predictor.rungs && predictor.model;
      const given = await predictor.run(inputs, {
        ...options,
        keeps: (name) => keeps(bindings, { name, tensor: inputs[name] as Tensor, context }),
        onRan: (runMs) => context.waited?.(performance.now() - startedMs - runMs),
        ...(deadlineAtMs !== undefined && { deadlineAtMs }),
      });
      for (const { from } of bindings) {
        if (from.kind !== 'state') continue;
        const next = given[from.output] as Tensor;
        // What also goes on may lose its buffer in a later step.
        const goesOn = outputs.some(({ name }) => name === from.output);
        state.set(from.output, goesOn ? { ...next, data: next.data.slice() } : next);
      }
      const only = outputs[0] as NamedTensorSpec;
      if (outputs.length === 1) return emit(unbatch(given[only.name] as Tensor), model);
      const tensors: Record<string, Tensor> = {};
      for (const { name } of outputs) tensors[name] = unbatch(given[name] as Tensor);
      return emit({ kind: 'tensors', tensors }, model);
    },
  };
}

/** An input that this step or the flow reads again must not lose its buffer to a worker. */
function keeps(
  bindings: readonly Binding[],
  input: { readonly name: string; readonly tensor: Tensor; readonly context: StepContext },
): boolean {
  const kind = bindings.find(({ spec }) => spec.name === input.name)?.from.kind;
  if (kind === 'constant' || kind === 'state') return true;
  return input.context.holds?.(input.tensor.data.buffer) ?? true;
}

function partOf(value: Value, from: Binding['from']): Value | undefined {
  if (from.kind !== 'part') return value;
  return value.kind === 'tensors' ? value.tensors[from.name] : undefined;
}

/** Free dimensions of a first state are 1: one device, one sequence. */
function settled(shape: readonly number[]): number[] {
  return shape.map((size) => (size === FREE ? 1 : size));
}

/** Every name that the configuration speaks of must be the model's. */
function checkNames(config: Config, { inputs, outputs }: Predictor): void {
  const inputNames = inputs.map(({ name }) => name);
  const outputNames = outputs.map(({ name }) => name);
  const check = (field: string, name: string, names: readonly string[]) => {
    if (!names.includes(name)) throw new FieldError(field, name, `one of ${names.join(', ')}`);
  };
  for (const name of Object.keys(config.inputs)) check('inputs', name, inputNames);
  for (const [output, input] of Object.entries(config.state)) {
    check('state', output, outputNames);
    check(`state.${output}`, input, inputNames);
  }
  for (const name of [config.outputs ?? []].flat()) check('outputs', name, outputNames);
}

function bindInputs(config: Config, context: StageContext, predictor: Predictor): Binding[] {
  const states = new Map(Object.entries(config.state).map(([output, input]) => [input, output]));
  const open = predictor.inputs.filter(
    ({ name }) => !states.has(name) && config.inputs[name] === undefined,
  );
  if (context.input.kind !== 'tensors' && open.length > 1) {
    const names = open.map(({ name }) => name).join(', ');
    throw new FieldError('inputs', names, 'all but one of these inputs to be given here');
  }
  return predictor.inputs.map((spec): Binding => {
    const output = states.get(spec.name);
    if (output !== undefined) return { spec, from: { kind: 'state', output }, batchAdded: false };
    const given = config.inputs[spec.name];
    if (given === undefined) return bindValue(spec, context.input);
    if (typeof given === 'string') {
      const type = context.named(given);
      if (type === undefined) throw new FieldError(`inputs.${spec.name}`, given, 'a stored value');
      const batchAdded = needsBatch(spec, type, `inputs.${spec.name}`);
      return { spec, from: { kind: 'named', name: given }, batchAdded };
    }
    return { spec, from: { kind: 'constant', tensor: constantOf(spec, given) }, batchAdded: false };
  });
}

function bindValue(spec: NamedTensorSpec, type: ValueType): Binding {
  if (type.kind !== 'tensors') {
    return { spec, from: { kind: 'value' }, batchAdded: needsBatch(spec, type, '') };
  }
  const part = type.tensors[spec.name];
  if (part === undefined) {
    throw new FieldError('', Object.keys(type.tensors), `a tensor named "${spec.name}"`);
  }
  const from = { kind: 'part', name: spec.name } as const;
  return { spec, from, batchAdded: needsBatch(spec, { kind: 'tensor', ...part }, '') };
}

/** Checks one value against one input. True: the batch axis has to be added. */
function needsBatch(spec: NamedTensorSpec, type: ValueType, field: string): boolean {
  const expected = `${spec.type}${formatShape(spec.shape)} for the model's input "${spec.name}"`;
  if (type.kind !== 'tensor' || type.type !== spec.type) {
    throw new FieldError(field, formatType(type), expected);
  }
  if (shapeFits(type.shape, spec.shape)) return false;
  const batch = spec.shape[0];
  const addable = batch === FREE || batch === 1;
  if (addable && shapeFits([1, ...type.shape], spec.shape)) return true;
  throw new FieldError(field, formatType(type), expected);
}

function constantOf(spec: NamedTensorSpec, given: number | number[]): Tensor {
  const numbers = [given].flat();
  const shape = spec.shape.map((size) => (size === FREE ? numbers.length : size));
  if (elementCount(shape) !== numbers.length) {
    const expected = `as many numbers as ${formatShape(spec.shape)} holds`;
    throw new FieldError(`inputs.${spec.name}`, numbers.length, expected);
  }
  const data = new (arrayOf(spec.type))(numbers.length);
  numbers.forEach((element, index) => {
    data[index] =
      data instanceof BigInt64Array || data instanceof BigUint64Array ? BigInt(element) : element;
  });
  return { kind: 'tensor', type: spec.type, shape, data };
}

function pickOutputs(config: Config, predictor: Predictor, batchAdded: boolean): NamedTensorSpec[] {
  const wanted = config.outputs === undefined ? undefined : [config.outputs].flat();
  const names =
    wanted ?? predictor.outputs.map(({ name }) => name).filter((name) => !(name in config.state));
  if (names.length === 0)
    throw new FieldError('outputs', names, 'at least one output that is no state');
  return names.map((name) => {
    const spec = predictor.outputs.find((output) => output.name === name) as NamedTensorSpec;
    const [batch, ...rest] = spec.shape;
    const dropped = batchAdded && (batch === FREE || batch === 1);
    return dropped ? { ...spec, shape: rest } : spec;
  });
}

function outputType(
  outputs: readonly NamedTensorSpec[],
  labels: readonly string[] | undefined,
): ValueType {
  const named = (spec: TensorSpec) =>
    labels !== undefined && spec.shape.at(-1) === labels.length ? { labels } : {};
  const only = outputs[0] as NamedTensorSpec;
  if (outputs.length === 1) {
    return { kind: 'tensor', type: only.type, shape: only.shape, ...named(only) };
  }
  const tensors = Object.fromEntries(
    outputs.map(({ name, type, shape }) => [name, { type, shape }]),
  );
  return { kind: 'tensors', tensors, ...(labels !== undefined && { labels }) };
}
