import { readFileSync } from 'node:fs';
import { expect } from 'vitest';

export interface Reference {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

/** A file of test/fixtures/signal, written by scripts/fixtures/signal.py. */
export function signalFixture<T>(name: string): T {
  const url = new URL(`../fixtures/signal/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(url, 'utf8')) as T;
}

/** Every element within `tolerance` of its reference; the message names the worst. */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
): void {
  expect(actual.length).toBe(expected.length);
  let worst = 0;
  for (let index = 0; index < expected.length; index++) {
    const difference = Math.abs(actual[index]! - expected[index]!);
    if (!(difference <= Math.abs(actual[worst]! - expected[worst]!))) worst = index;
  }
  if (expected.length === 0) return;
  const difference = Math.abs(actual[worst]! - expected[worst]!);
  expect(
    difference,
    `at ${worst}: ${actual[worst]}, expected ${expected[worst]}`,
  ).toBeLessThanOrEqual(tolerance);
}
