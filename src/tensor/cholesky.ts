import { LedgeError } from '../std/error.ts';

/** The lower triangle L of a symmetric positive definite matrix A = L L^T, row-major [n, n]. */
export interface Cholesky {
  readonly n: number;
  readonly lower: Float64Array;
}

/**
 * Factorises a symmetric positive definite row-major [n, n] matrix, which stays as it is. Throws
 * `value-invalid` where it is not positive definite.
 * Source: Golub and Van Loan, Matrix Computations, section 4.2.
 */
export function factorise(matrix: Float64Array, n: number): Cholesky {
  const lower = new Float64Array(n * n);
  for (let row = 0; row < n; row += 1) {
    for (let column = 0; column <= row; column += 1) {
      let sum = matrix[row * n + column] as number;
      for (let k = 0; k < column; k += 1) {
        sum -= (lower[row * n + k] as number) * (lower[column * n + k] as number);
      }
      if (row !== column) lower[row * n + column] = sum / (lower[column * n + column] as number);
      else if (sum > 0) lower[row * n + row] = Math.sqrt(sum);
      else throw new LedgeError('value-invalid', `Cannot factorise: row ${row} leaves ${sum}`);
    }
  }
  return { n, lower };
}

/** The x of A x = b, as a new vector. */
export function solve({ n, lower }: Cholesky, b: Float64Array): Float64Array {
  const x = Float64Array.from(b);
  for (let row = 0; row < n; row += 1) {
    let sum = x[row] as number;
    for (let k = 0; k < row; k += 1) sum -= (lower[row * n + k] as number) * (x[k] as number);
    x[row] = sum / (lower[row * n + row] as number);
  }
  for (let row = n - 1; row >= 0; row -= 1) {
    let sum = x[row] as number;
    for (let k = row + 1; k < n; k += 1) sum -= (lower[k * n + row] as number) * (x[k] as number);
    x[row] = sum / (lower[row * n + row] as number);
  }
  return x;
}
