import type { InputPart, OutputPart } from '../infer/protocol.ts';
import { openSession } from '../infer/session.ts';
import { elementTypeOf } from '../onnx/element-type.ts';
import { requiredInputs } from '../onnx/graph.ts';
import type { Graph, ValueInfo } from '../onnx/proto.ts';
import { LedgeError } from '../std/error.ts';
import type { DataType, NamedTensorSpec } from '../tensor/tensor.ts';

/** What a passed model is measured with, unless told otherwise: one thread, as the node's default. */
const THREADS = 1;

/** A model in the runtime, to be run on samples. */
export interface RunningModel extends AsyncDisposable {
  readonly outputs: readonly string[];
  run(inputs: readonly InputPart[]): Promise<readonly OutputPart[]>;
}

export interface RunOptions {
  /** Further values to give out: their names and types. */
  readonly also?: readonly { readonly name: string; readonly type: DataType }[];
  readonly threads?: number;
}

/** Opens a model's file for runs on this thread. Throws `model-refused` with the runtime's reason. */
export async function openForRuns(
  file: string,
  graph: Graph,
  { also = [], threads = THREADS }: RunOptions = {},
): Promise<RunningModel> {
  const inputs = requiredInputs(graph).map(specOfEnd);
  const outputs = [
    ...graph.outputs.map(specOfEnd),
    ...also.map(({ name, type }) => ({ name, type, shape: [] })),
  ];
  const options = { file, providers: ['cpu'], intraOpThreads: threads, inputs, outputs };
  const session = await openSession(options).catch((cause: unknown) => {
    throw refused(file, cause);
  });
  return {
    outputs: outputs.map(({ name }) => name),
    run: (parts) =>
      session.run(parts).catch((cause: unknown) => {
        throw refused(file, cause);
      }),
    [Symbol.asyncDispose]: () => session.release(),
  };
}

function specOfEnd(value: ValueInfo): NamedTensorSpec {
  const name = value.name ?? '';
  const type = elementTypeOf(value.type?.tensor?.elementType)?.dataType;
  if (type === undefined) {
    throw new LedgeError('unsupported', `Cannot run the model: "${name}" has no type that passes`);
  }
  return { name, type, shape: [] };
}

function refused(file: string, cause: unknown): LedgeError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new LedgeError('model-refused', `Cannot run ${file}: ${reason}`, { cause });
}
