/** Rotations stop after this many sweeps: Jacobi converges quadratically, ten do for 64 x 64. */
const SWEEPS_MAX = 50;
/** Off-diagonal weight, relative to the whole matrix, below which it counts as diagonal. */
const CONVERGED = 1e-28;

/** The eigenvalues of a symmetric matrix and, as columns of a row-major matrix, its eigenvectors. */
export interface Eigen {
  readonly values: Float64Array; // [n], in no order
  readonly vectors: Float64Array; // [n, n], column j belongs to value j
}

/**
 * Eigenvalues and eigenvectors of a symmetric row-major [n, n] matrix, which stays as it is.
 * Source: cyclic Jacobi rotations, Golub and Van Loan, Matrix Computations, section 8.5.
 */
export function symmetricEigen(matrix: Float64Array, n: number): Eigen {
  const a = Float64Array.from(matrix);
  const vectors = identity(n);
  const total = a.reduce((sum, value) => sum + value * value, 0);
  for (let sweep = 0; sweep < SWEEPS_MAX && offDiagonal(a, n) > CONVERGED * total; sweep++) {
    for (let p = 0; p < n - 1; p++) {
      for (let q = p + 1; q < n; q++) rotate(a, vectors, n, { p, q });
    }
  }
  return {
    values: Float64Array.from({ length: n }, (_, index) => at(a, index * n + index)),
    vectors,
  };
}

/**
 * The symmetric inverse square root of a symmetric positive definite [n, n] matrix: multiplied with
 * it, data of that covariance become uncorrelated with variance 1, each staying nearest to itself.
 */
export function inverseSquareRoot(matrix: Float64Array, n: number): Float64Array {
  const { values, vectors } = symmetricEigen(matrix, n);
  const root = new Float64Array(n * n);
  for (let row = 0; row < n; row++) {
    for (let column = 0; column < n; column++) {
      let sum = 0;
      for (let k = 0; k < n; k++) {
        sum += (at(vectors, row * n + k) * at(vectors, column * n + k)) / Math.sqrt(at(values, k));
      }
      root[row * n + column] = sum;
    }
  }
  return root;
}

/** The product of a row-major [n, n] matrix and a vector [n]. */
export function multiply(matrix: Float64Array, vector: Float64Array): Float64Array {
  const n = vector.length;
  const product = new Float64Array(n);
  for (let row = 0; row < n; row++) {
    let sum = 0;
    for (let column = 0; column < n; column++) {
      sum += at(matrix, row * n + column) * at(vector, column);
    }
    product[row] = sum;
  }
  return product;
}

/** The Euclidean length of a vector. */
export function norm(vector: Float64Array): number {
  let sum = 0;
  for (const value of vector) sum += value * value;
  return Math.sqrt(sum);
}

/** Turns the plane of two axes so that their off-diagonal element becomes 0. */
function rotate(
  a: Float64Array,
  vectors: Float64Array,
  n: number,
  { p, q }: { readonly p: number; readonly q: number },
): void {
  const off = at(a, p * n + q);
  if (off === 0) return;
  const theta = (at(a, q * n + q) - at(a, p * n + p)) / (2 * off);
  const tangent = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const cosine = 1 / Math.sqrt(tangent * tangent + 1);
  const sine = tangent * cosine;
  for (let k = 0; k < n; k++) turn(a, k * n + p, k * n + q, { cosine, sine });
  for (let k = 0; k < n; k++) turn(a, p * n + k, q * n + k, { cosine, sine });
  for (let k = 0; k < n; k++) turn(vectors, k * n + p, k * n + q, { cosine, sine });
}

function turn(
  data: Float64Array,
  i: number,
  j: number,
  { cosine, sine }: { readonly cosine: number; readonly sine: number },
): void {
  const x = at(data, i);
  const y = at(data, j);
  data[i] = cosine * x - sine * y;
  data[j] = sine * x + cosine * y;
}

function offDiagonal(a: Float64Array, n: number): number {
  let sum = 0;
  for (let row = 0; row < n; row++) {
    for (let column = 0; column < n; column++) {
      if (row !== column) sum += at(a, row * n + column) ** 2;
    }
  }
  return sum;
}

function identity(n: number): Float64Array {
  const matrix = new Float64Array(n * n);
  for (let index = 0; index < n; index++) matrix[index * n + index] = 1;
  return matrix;
}

function at(data: Float64Array, index: number): number {
  return data[index] as number;
}
