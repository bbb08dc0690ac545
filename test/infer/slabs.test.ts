import { expect, test } from 'vitest';
import { createSlabs } from '../../src/infer/slabs.ts';

test('a slab that was given back is taken again for the same size', () => {
  const slabs = createSlabs();
  const slab = slabs.take(10_000);
  expect(slab.byteLength).toBeGreaterThanOrEqual(10_000);
  expect(slabs.take(10_000)).not.toBe(slab);
  slabs.give(slab);
  expect(slabs.take(12_000)).toBe(slab);
});

test('slabs keep a bounded number of bytes', () => {
  const slabs = createSlabs();
  const large = Array.from({ length: 9 }, () => slabs.take(8 * 2 ** 20));
  for (const slab of large) slabs.give(slab);
  const again = Array.from({ length: 9 }, () => slabs.take(8 * 2 ** 20));
  const kept = again.filter((slab) => large.includes(slab));
  expect(kept).toHaveLength(4);
});

test('a buffer that was transferred away is not kept', () => {
  const slabs = createSlabs();
  const slab = slabs.take(10_000);
  structuredClone(slab, { transfer: [slab] });
  slabs.give(slab);
  expect(slabs.take(10_000).byteLength).toBeGreaterThanOrEqual(10_000);
});
