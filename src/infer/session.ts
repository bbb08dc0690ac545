import {
  env,
  InferenceSession,
  listSupportedBackends,
  Tensor as OrtTensor,
} from 'onnxruntime-node';
import type { NamedTensorSpec, TensorData } from '../tensor/tensor.ts';
import { arrayOf } from '../tensor/tensor.ts';
import type { InputPart, OutputPart } from './protocol.ts';

/** 4: fatal only. Failures come back as errors; the runtime's own lines would only repeat them. */
const LOG_FATAL = 4;
// The runtime itself, which writes past every logger; read once, when the first session is created.
env.logLevel = 'fatal';

/**
 * The smallest model there is, y = Identity(x) on one float: ir 8, opset 13. Opening it makes the
 * runtime take its own memory, so that what is measured afterwards is the model's.
 */
const IDENTITY = Buffer.from(
  '08083a370a100a017812017922084964656e746974791201695a0f0a0178120a' +
    '0a08080112040a020801620f0a0179120a0a08080112040a02080142040a00100d',
  'hex',
);

export interface SessionOptions {
  readonly file: string;
  /** Tried in order; the last resort is an error, never a provider that was not named. */
  readonly providers: readonly string[];
  readonly intraOpThreads: number;
  readonly inputs: readonly NamedTensorSpec[];
  readonly outputs: readonly NamedTensorSpec[];
  /** Makes the runtime write down what each node takes. */
  readonly trace?: TraceOptions;
}

/** Where the runtime writes what it did. */
export interface TraceOptions {
  /** The trace's file begins with this path; the runtime adds the time and `.json`. */
  readonly filePrefix: string;
  /** Where the model goes as it is run: after the runtime's own fusing and folding. */
  readonly optimisedFile?: string;
}

/** A model in the runtime, on this thread. */
export interface Session {
  /** The provider that took the model. */
  readonly provider: string;
  /** Runs once; inputs and outputs in the model's order. Rejects with the runtime's error. */
  run(inputs: readonly InputPart[]): Promise<readonly OutputPart[]>;
  /** Closes the trace's file, where there is one. */
  endTrace(): void;
  release(): Promise<void>;
}

/** The execution providers of this build of the runtime; one may still lack its system libraries. */
export function availableProviders(): readonly string[] {
  return listSupportedBackends().map((backend) => backend.name);
}

/** Makes the runtime initialise itself, once per thread. */
export async function warmUpRuntime(): Promise<void> {
  const session = await InferenceSession.create(IDENTITY, optionsFor('cpu', 1));
  await session.release();
}

/** Opens a model with the first provider that takes it. Throws the last provider's error. */
export async function openSession(options: SessionOptions): Promise<Session> {
  const available = availableProviders();
  let failure: unknown = new Error(
    `none of the providers ${options.providers.join(', ')} is in this runtime`,
  );
  for (const provider of options.providers) {
    if (!available.includes(provider)) continue;
    try {
      const settings = {
        ...optionsFor(provider, options.intraOpThreads),
        ...traceOptions(options.trace),
      };
      const session = await InferenceSession.create(options.file, settings);
      return wrap(session, provider, options);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

/** Spinning is off: it would use a whole core per session while nothing happens. */
function optionsFor(provider: string, intraOpNumThreads: number): InferenceSession.SessionOptions {
  return {
    executionProviders: provider === 'cpu' ? ['cpu'] : [provider, 'cpu'],
    intraOpNumThreads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    enableCpuMemArena: true,
    logSeverityLevel: LOG_FATAL,
    extra: {
      session: {
        intra_op: { allow_spinning: '0' },
        inter_op: { allow_spinning: '0' },
      },
    },
  };
}

function traceOptions(trace: TraceOptions | undefined): InferenceSession.SessionOptions {
  if (trace === undefined) return {};
  const { filePrefix, optimisedFile } = trace;
  return {
    enableProfiling: true,
    profileFilePrefix: filePrefix,
    ...(optimisedFile && { optimizedModelFilePath: optimisedFile }),
  };
}

function wrap(session: InferenceSession, provider: string, options: SessionOptions): Session {
  const inputs = options.inputs.map(({ name, type }) => ({ name, type, array: arrayOf(type) }));
  const outputs = options.outputs.map(({ name, type }) => ({ name, array: arrayOf(type) }));
  const fetches = outputs.map((output) => output.name);
  return {
    provider,
    async run(parts) {
      const feeds: Record<string, OrtTensor> = {};
      for (const [index, { name, type, array }] of inputs.entries()) {
        const { buffer, byteOffset, shape } = parts[index]!;
        const length = shape.reduce((count, size) => count * size, 1);
        const data = new array(buffer, byteOffset, length);
        feeds[name] = new OrtTensor(type, data as Float32Array, shape as number[]);
      }
      const results = await session.run(feeds, fetches);
      return outputs.map(({ name, array }) => {
        const result = results[name]!;
        return { shape: result.dims, data: viewAs(array, result.data as TensorData) };
      });
    },
    endTrace: () => session.endProfiling(),
    release: () => session.release(),
  };
}

/** Where the engine has Float16Array the runtime uses it; Ledge's float16 is raw bits. */
function viewAs(array: ReturnType<typeof arrayOf>, data: TensorData): TensorData {
  if (data instanceof array) return data;
  return new array(data.buffer as ArrayBuffer, data.byteOffset, data.length);
}
