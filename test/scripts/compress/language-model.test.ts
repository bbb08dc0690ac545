import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { openDecoder } from '../../../scripts/compress/decoder.ts';
import {
  createLanguageModel,
  type LanguageShape,
} from '../../../scripts/compress/language-model.ts';
import { compileEntry } from '../../../src/compress/passes.ts';
import { encodeModel } from '../../../src/onnx/graph.ts';
import { inspectBytes } from '../../../src/onnx/inspect.ts';
import type { Model } from '../../../src/onnx/proto.ts';

const TINY: LanguageShape = { layers: 2, width: 32, heads: 4, vocabulary: 101, positions: 16 };
const CACHE = { layers: 2, heads: 4, size: 8 };
const TOKENS = [7, 100, 0, 55, 7, 31];

const folder = mkdtempSync(join(tmpdir(), 'ledge-language-'));
afterAll(() => rm(folder, { recursive: true }));

function write(name: string, model: Model): string {
  const file = join(folder, name);
  writeFileSync(file, encodeModel(model));
  return file;
}

async function wholeAndCached(file: string, tokens = TOKENS) {
  await using decoder = await openDecoder(file, { cache: CACHE, threads: 1 });
  const whole = Float32Array.from(await decoder.step(tokens));
  decoder.reset();
  const cached: number[] = [...(await decoder.step(tokens.slice(0, 2)))];
  for (const token of tokens.slice(2)) cached.push(...(await decoder.step([token])));
  return { whole, cached };
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let largest = a.length === b.length ? 0 : Number.POSITIVE_INFINITY;
  for (let at = 0; at < a.length; at += 1) largest = Math.max(largest, Math.abs(a[at]! - b[at]!));
  return largest;
}

describe('the language model', () => {
  test('says the same with its cache as without, tied and untied', async () => {
    const tied = await wholeAndCached(
      write('tied.onnx', createLanguageModel({ shape: TINY, head: 'tied' })),
    );
    const untied = await wholeAndCached(
      write('untied.onnx', createLanguageModel({ shape: TINY, head: 'untied' })),
    );
    expect(tied.whole).toHaveLength(TOKENS.length * TINY.vocabulary);
    expect(largestDifference(tied.whole, tied.cached)).toBeLessThan(1e-5);
    expect(largestDifference(tied.whole, untied.whole)).toBeLessThan(1e-5);
  });

  test('sees no token that comes later', async () => {
    const file = write('causal.onnx', createLanguageModel({ shape: TINY, head: 'tied' }));
    const one = await wholeAndCached(file);
    const other = await wholeAndCached(file, [...TOKENS.slice(0, -1), 99]);
    const before = (TOKENS.length - 1) * TINY.vocabulary;
    const beginnings = [one.whole.subarray(0, before), other.whole.subarray(0, before)] as const;
    const ends = [one.whole.subarray(before), other.whole.subarray(before)] as const;
    expect(largestDifference(...beginnings)).toBe(0);
    expect(largestDifference(...ends)).toBeGreaterThan(0.01);
  });

  test('has other weights for another seed, and the same for the same', () => {
    const bytes = (seed: number) =>
      Buffer.from(encodeModel(createLanguageModel({ shape: TINY, head: 'tied', seed })));
    expect(bytes(1).equals(bytes(1))).toBe(true);
    expect(bytes(1).equals(bytes(2))).toBe(false);
  });

  test('with a head of its own is found to be tied', async () => {
    const context = { samples: [], folder };
    const share = await compileEntry({ share: { turned: true } });
    const untied = createLanguageModel({ shape: TINY, head: 'untied' });
    const { model, report } = await share(untied, context);
    expect(report.done).toMatchObject({ 'matrix that is a table turned round': 1 });
    const tied = encodeModel(createLanguageModel({ shape: TINY, head: 'tied' }));
    expect(encodeModel(model).length / tied.length).toBeCloseTo(1, 1);
    const found = await wholeAndCached(write('found.onnx', model));
    const wanted = await wholeAndCached(write('untied.onnx', untied));
    expect(largestDifference(found.whole, wanted.whole)).toBeLessThan(1e-5);
  });

  test('in 8 bits keeps its table once, for both ends', async () => {
    const model = createLanguageModel({ shape: TINY, head: 'tied' });
    const context = { samples: [], folder };
    const { model: fused } = await compileEntry({ fuse: {} })(model, context);
    const { model: small, report } = await compileEntry({ 'int8-dynamic': {} })(fused, context);
    expect(report.done).toMatchObject({ 'embedding in 8 bits, stored with its head': 1 });
    const { summary, problems } = await inspectBytes(encodeModel(small));
    expect(problems).toEqual([]);
    const tables = small.graph?.initializers.filter(({ dims }) => dims.at(-1) === 101n) ?? [];
    // The numbers, turned round for the head; the factor and the zero of each token.
    expect(tables.map(({ dims }) => dims.map(Number))).toEqual([[32, 101], [101], [101]]);
    expect(summary?.operators).toMatchObject({ 'com.microsoft.MatMulIntegerToFloat': 9 });
    const { whole } = await wholeAndCached(write('whole.onnx', model));
    const found = await wholeAndCached(write('int8.onnx', small));
    expect(largestDifference(whole, found.whole)).toBeLessThan(0.5);
    expect(largestDifference(found.whole, found.cached)).toBeLessThan(0.2);
  });
});
