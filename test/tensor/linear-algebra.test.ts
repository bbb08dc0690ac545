import { expect, test } from 'vitest';
import {
  inverseSquareRoot,
  multiply,
  norm,
  symmetricEigen,
} from '../../src/tensor/linear-algebra.ts';

/** A symmetric positive definite matrix whose elements follow from its size. */
function definite(n: number): Float64Array {
  const root = Float64Array.from({ length: n * n }, (_, i) => Math.sin(i * 1.7) + (i % 3));
  const matrix = new Float64Array(n * n);
  for (let row = 0; row < n; row++) {
    for (let column = 0; column < n; column++) {
      let sum = row === column ? 0.01 : 0;
      for (let k = 0; k < n; k++) sum += root[row * n + k]! * root[column * n + k]!;
      matrix[row * n + column] = sum;
    }
  }
  return matrix;
}

test('symmetricEigen finds the eigenvalues of [[2, 1], [1, 2]]', () => {
  const { values } = symmetricEigen(Float64Array.of(2, 1, 1, 2), 2);
  expect([...values].sort()).toEqual([expect.closeTo(1, 12), expect.closeTo(3, 12)]);
});

test.each([1, 2, 8, 64])('symmetricEigen solves A v = l v for n = %i', (n) => {
  const matrix = definite(n);
  const { values, vectors } = symmetricEigen(matrix, n);
  for (let j = 0; j < n; j++) {
    const vector = Float64Array.from({ length: n }, (_, i) => vectors[i * n + j]!);
    const product = multiply(matrix, vector);
    const misses = product.map((value, i) => value - values[j]! * vector[i]!);
    expect(norm(misses)).toBeLessThan(1e-9 * norm(matrix));
    expect(norm(vector)).toBeCloseTo(1, 10);
  }
});

test.each([1, 3, 8])('inverseSquareRoot R of A gives R A R = 1 for n = %i', (n) => {
  const matrix = definite(n);
  const root = inverseSquareRoot(matrix, n);
  for (let j = 0; j < n; j++) {
    const unit = Float64Array.from({ length: n }, (_, i) => (i === j ? 1 : 0));
    const back = multiply(root, multiply(matrix, multiply(root, unit)));
    back.forEach((value, i) => {
      expect(value).toBeCloseTo(unit[i]!, 6);
    });
  }
});
