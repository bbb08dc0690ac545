/** Weights as whole numbers with a factor for each column. */
export interface QuantisedColumns {
  /** [rows, columns], each number + 128. */
  readonly values: Uint8Array;
  /** [columns]. */
  readonly scales: Float32Array;
}

/** The number that stands for 0 in eight bits. */
export const ZERO_8 = 128;
const LEVELS_8 = 127;
/** Smaller factors lose their own digits in float32; what they would stand for is 0. */
const SCALE_MIN = 1e-30;

/**
 * Symmetric 8-bit weights, one factor for each column of a [rows, columns] matrix. A column of zeros
 * gets the factor 1.
 */
export function quantiseColumns(matrix: Float32Array, columns: number): QuantisedColumns {
  const scales = new Float32Array(columns);
  for (let at = 0, column = 0; at < matrix.length; at += 1) {
    const magnitude = Math.abs(matrix[at]!);
    if (magnitude > scales[column]!) scales[column] = magnitude;
    column = column + 1 === columns ? 0 : column + 1;
  }
  for (let column = 0; column < columns; column += 1) {
    const scale = scales[column]! / LEVELS_8;
    scales[column] = scale < SCALE_MIN ? 1 : scale;
  }
  const values = new Uint8Array(matrix.length);
  for (let at = 0, column = 0; at < matrix.length; at += 1) {
    values[at] = Math.round(matrix[at]! / scales[column]!) + ZERO_8;
    column = column + 1 === columns ? 0 : column + 1;
  }
  return { values, scales };
}

export interface BlockOptions {
  /** Numbers of one row that share a factor: 16 or more, a power of two. */
  readonly block: number;
  readonly bits: 4 | 8;
  /** Tries factors below the plain one and keeps the one with the least squared error. */
  readonly search: boolean;
}

/** Weights as whole numbers with a factor for each block of a row, as MatMulNBits holds them. */
export interface QuantisedBlocks {
  /** [rows, blocks, block * bits / 8], two 4-bit numbers in a byte, the lower bits first. */
  readonly values: Uint8Array;
  /** [rows, blocks]. */
  readonly scales: Float32Array;
  readonly blocks: number;
}

/** Factors tried, of either sign: cutting the largest number a little saves all the others. */
const SHRINKS = [1, 0.94, 0.88, 0.82, 0.76];
const SHRINKS_FINE = Array.from({ length: 25 }, (_, at) => 1.08 - at * 0.02);
/** Matrices of up to so many numbers are searched finely: small models bear less, and take no time. */
const FINE_NUMBERS_MAX = 262_144;

/**
 * Symmetric weights in blocks of each row of [rows, columns]; 0 stands for 8 in four bits and for 128
 * in eight. The largest number of a block, with its sign, gets the one more level of its side.
 */
export function quantiseBlocks(
  matrix: Float32Array,
  columns: number,
  { block, bits, search }: BlockOptions,
): QuantisedBlocks {
  const rows = matrix.length / columns;
  const blocks = Math.ceil(columns / block);
  const half = 2 ** (bits - 1);
  const bytes = (block * bits) / 8;
  const values = new Uint8Array(rows * blocks * bytes).fill(bits === 8 ? half : half * 17);
  const scales = new Float32Array(rows * blocks);
  const shrinks = matrix.length <= FINE_NUMBERS_MAX ? SHRINKS_FINE : SHRINKS;
  for (let row = 0; row < rows; row += 1) {
    for (let at = 0; at < blocks; at += 1) {
      const start = row * columns + at * block;
      const end = Math.min(start + block, (row + 1) * columns);
      const place = row * blocks + at;
      const scale = scaleOf(matrix, [start, end], { half, search, shrinks });
      scales[place] = scale;
      for (let from = start; from < end; from += 1) {
        const level = clamp(Math.round(matrix[from]! / scales[place]!), half) + half;
        const index = from - start;
        if (bits === 8) values[place * bytes + index] = level;
        else {
          const byte = place * bytes + (index >> 1);
          const shift = (index & 1) * 4;
          values[byte] = (values[byte]! & ~(15 << shift)) | (level << shift);
        }
      }
    }
  }
  return { values, scales, blocks };
}

interface ScaleOptions {
  readonly half: number;
  readonly search: boolean;
  readonly shrinks: readonly number[];
}

function scaleOf(
  matrix: Float32Array,
  [start, end]: readonly [number, number],
  { half, search, shrinks }: ScaleOptions,
): number {
  let extreme = 0;
  for (let at = start; at < end; at += 1) {
    if (Math.abs(matrix[at]!) > Math.abs(extreme)) extreme = matrix[at]!;
  }
  const plain = extreme / -half;
  if (Math.abs(plain) < SCALE_MIN) return 1;
  if (!search) return plain;
  let best = plain;
  let least = Number.POSITIVE_INFINITY;
  const tried = (scale: number): number => {
    let error = 0;
    let [along, squares] = [0, 0];
    for (let at = start; at < end && error < least; at += 1) {
      const value = matrix[at]!;
      const level = clamp(Math.round(value / scale), half);
      error += (value - level * scale) ** 2;
      along += value * level;
      squares += level * level;
    }
    if (error < least) [least, best] = [error, scale];
    // The factor that fits these levels best.
    return squares === 0 ? scale : along / squares;
  };
  for (const shrink of shrinks) {
    tried(tried(plain * shrink));
    tried(tried(-plain * shrink));
  }
  return Math.abs(best) < SCALE_MIN ? plain : best;
}

function clamp(level: number, half: number): number {
  return level < -half ? -half : level >= half ? half - 1 : level;
}
