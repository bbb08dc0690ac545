import type { InputPart } from '../infer/protocol.ts';
import { elementTypeOf } from '../onnx/element-type.ts';
import { requiredInputs } from '../onnx/graph.ts';
import type { Graph, ValueInfo } from '../onnx/proto.ts';
import { LedgeError } from '../std/error.ts';
import { toFloat16Bits } from '../tensor/float16.ts';
import { arrayOf, type DataType, elementCount, type TensorData } from '../tensor/tensor.ts';

/** What one input is filled with: numbers of a range (whole ones where the type is), or one number. */
export interface InputRange {
  readonly min: number;
  readonly max: number;
}

export interface SampleOptions {
  readonly seed: number;
  /** Sizes of free dimensions, by their symbol or as `input.axis`; others are 1. */
  readonly sizes: Readonly<Record<string, number>>;
  /** Ranges by the name of the input; others are -1 to 1, or 0 to 1 for whole numbers. */
  readonly ranges: Readonly<Record<string, InputRange>>;
}

export const PLAIN_SAMPLES: SampleOptions = { seed: 1, sizes: {}, ranges: {} };

/** A sample has at most so many numbers: an image of 4 megapixels in colour. */
const ELEMENTS_MAX = 16_777_216;

/** Numbers for every input that a caller must give, the same for the same seed. */
export function sampleInputs(graph: Graph, options: SampleOptions): InputPart[] {
  const random = randomOf(options.seed);
  return requiredInputs(graph).map((value) => {
    const name = value.name ?? '';
    const type = elementTypeOf(value.type?.tensor?.elementType)?.dataType;
    if (type === undefined) throw unsuitable(name, 'its type cannot be passed');
    const shape = shapeOf(value, options.sizes);
    const count = elementCount(shape);
    if (count > ELEMENTS_MAX) throw unsuitable(name, `${count} numbers, at most ${ELEMENTS_MAX}`);
    const data = fill(new (arrayOf(type))(count), type, { random, range: options.ranges[name] });
    return { shape, buffer: data.buffer as ArrayBuffer, byteOffset: data.byteOffset };
  });
}

/** Numbers between 0 and 1 (xorshift32), the same for the same seed. */
export function randomOf(seed: number): () => number {
  let state = (seed * 2_654_435_761 + 1) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 4_294_967_296;
  };
}

function shapeOf(value: ValueInfo, sizes: Readonly<Record<string, number>>): number[] {
  const dims = value.type?.tensor?.shape?.dims ?? [];
  return dims.map(({ size, symbol }, axis) => {
    if (size !== undefined && size >= 0n) return Number(size);
    return sizes[`${value.name}.${axis}`] ?? sizes[symbol ?? ''] ?? 1;
  });
}

interface Filling {
  readonly random: () => number;
  readonly range: InputRange | undefined;
}

function fill(data: TensorData, type: DataType, { random, range }: Filling): TensorData {
  const real = type === 'float32' || type === 'float64' || type === 'float16';
  const { min, max } = range ?? (real ? { min: -1, max: 1 } : { min: 0, max: 1 });
  for (let at = 0; at < data.length; at += 1) {
    const value = real ? min + random() * (max - min) : whole(random, min, max);
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[at] = BigInt(value);
    else data[at] = type === 'float16' ? toFloat16Bits(value) : value;
  }
  return data;
}

function whole(random: () => number, min: number, max: number): number {
  return min + Math.floor(random() * (max - min + 1));
}

function unsuitable(input: string, state: string): LedgeError {
  return new LedgeError('unsupported', `Cannot make samples for the input "${input}": ${state}`, {
    context: { input },
  });
}
