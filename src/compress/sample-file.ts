import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { InputPart } from '../infer/protocol.ts';
import { elementTypeOf } from '../onnx/element-type.ts';
import { requiredInputs } from '../onnx/graph.ts';
import type { Graph, ValueInfo } from '../onnx/proto.ts';
import {
  type DataType,
  elementBytes,
  elementCount,
  type NamedTensorSpec,
} from '../tensor/tensor.ts';

/** The numbers of one run of a model in a file, for another process to read. */
export interface SampleFile {
  readonly data: string;
  /** The model's inputs, and where each begins in the file. */
  readonly inputs: readonly (NamedTensorSpec & { readonly byteOffset: number })[];
  readonly outputs: readonly NamedTensorSpec[];
}

/** Arrays begin at multiples of this, as typed arrays want it. */
const ALIGNMENT = 8;

interface SampleParts {
  readonly graph: Graph;
  readonly sample: readonly InputPart[];
  readonly folder: string;
  readonly name?: string;
}

/** Writes a sample's numbers into a file of the folder. */
export async function writeSample({
  graph,
  sample,
  folder,
  name = 'sample.bin',
}: SampleParts): Promise<SampleFile> {
  const parts: Uint8Array[] = [];
  let byteOffset = 0;
  const inputs = requiredInputs(graph).map((value, at) => {
    const { name, type } = typeOf(value);
    const { shape, buffer, byteOffset: from } = sample[at]!;
    const bytes = elementCount(shape) * elementBytes(type);
    const padded = new Uint8Array(Math.ceil(bytes / ALIGNMENT) * ALIGNMENT);
    padded.set(new Uint8Array(buffer, from, bytes));
    parts.push(padded);
    const input = { name, type, shape, byteOffset };
    byteOffset += padded.length;
    return input;
  });
  const data = join(folder, name);
  await writeFile(data, Buffer.concat(parts));
  const outputs = graph.outputs.map((value) => ({ ...typeOf(value), shape: [] }));
  return { data, inputs, outputs };
}

/** Reads a sample's numbers back, in the order of the inputs. */
export async function readSample({ data, inputs }: SampleFile): Promise<readonly InputPart[]> {
  const numbers = await readFile(data);
  const { byteOffset, length } = numbers;
  const buffer = numbers.buffer.slice(byteOffset, byteOffset + length) as ArrayBuffer;
  return inputs.map((input) => ({ shape: input.shape, byteOffset: input.byteOffset, buffer }));
}

function typeOf(value: ValueInfo): { name: string; type: DataType } {
  const type = elementTypeOf(value.type?.tensor?.elementType)?.dataType;
  return { name: value.name ?? '', type: type ?? 'float32' };
}
