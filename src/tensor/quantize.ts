import { fromFloat16Bits, toFloat16Bits } from './float16.ts';
import { arrayOf, type DataType, type Tensor, type TensorData } from './tensor.ts';

/** How real numbers are held in integers: real = (integer - zeroPoint) * scale. */
export interface Quantisation {
  readonly scale: number;
  readonly zeroPoint: number;
}

const RANGES: Readonly<Partial<Record<DataType, readonly [number, number]>>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32_768, 32_767],
  uint16: [0, 65_535],
  int32: [-2_147_483_648, 2_147_483_647],
  uint32: [0, 4_294_967_295],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  uint64: [0, Number.MAX_SAFE_INTEGER],
};

/** Whether a type holds integers. */
export function isInteger(type: DataType): boolean {
  return RANGES[type] !== undefined;
}

/**
 * The elements as another type, in a new buffer. Integers are rounded, ties to even, and end at the
 * limits of their type, as ONNX's QuantizeLinear does it; NaN becomes 0 there. A quantisation holds
 * for the side that is an integer, for the output where both are. bool is 0 for 0, else 1.
 */
export function castData(
  { type: from, data }: Tensor,
  to: DataType,
  { scale, zeroPoint }: Quantisation = { scale: 1, zeroPoint: 0 },
): TensorData {
  const read = readerOf(from, data);
  const out = new (arrayOf(to))(data.length);
  const write = writerOf(to, out);
  const quantises = isInteger(to);
  const restores = !quantises && isInteger(from);
  for (let index = 0; index < data.length; index++) {
    const value = read(index);
    if (quantises) write(index, value / scale + zeroPoint);
    else write(index, restores ? (value - zeroPoint) * scale : value);
  }
  return out;
}

function readerOf(type: DataType, data: TensorData): (index: number) => number {
  if (type === 'float16') return (index) => fromFloat16Bits(Number(data[index]));
  return (index) => Number(data[index]);
}

function writerOf(type: DataType, out: TensorData): (index: number, value: number) => void {
  if (out instanceof BigInt64Array || out instanceof BigUint64Array) {
    return (index, value) => {
      out[index] = BigInt(toInteger(value, type));
    };
  }
  if (type === 'float16') {
    return (index, value) => {
      out[index] = toFloat16Bits(value);
    };
  }
  if (type === 'bool') {
    return (index, value) => {
      out[index] = value === 0 ? 0 : 1;
    };
  }
  const integer = isInteger(type);
  return (index, value) => {
    out[index] = integer ? toInteger(value, type) : value;
  };
}

function toInteger(value: number, type: DataType): number {
  if (Number.isNaN(value)) return 0;
  const [least, most] = RANGES[type]!;
  return Math.min(most, Math.max(least, roundHalfEven(value)));
}

/** The nearest integer, the even one of two. */
function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
