import { describe, expect, test } from 'vitest';
import { fuse } from '../../src/compress/passes/fuse.ts';
import { type Transformer, transformer } from '../fixtures/transformer-models.ts';
import { createPassCase } from '../harness/compress-case.ts';

const cases = createPassCase();
const EQUAL = 1e-4;
const SHAPE = { layers: 2, width: 32, heads: 4, hidden: 64, vocabulary: 50 } as const;
const SAMPLES = {
  sizes: { batch: 2, row: 5, past: 3 },
  ranges: { input_ids: { min: 0, max: 49 }, mask: { min: 0, max: 1 } },
};
const FUSED = 'com.microsoft.MultiHeadAttention';

function apply(more: Partial<Transformer> & { readonly style: Transformer['style'] }) {
  return cases.apply(transformer({ ...SHAPE, ...more }), fuse, {}, SAMPLES);
}

describe('fuse of attention', () => {
  test.each([
    ['gpt2', {}],
    ['gpt2', { past: true }],
    ['bert', {}],
    ['bert', { computed: true }],
    ['llama', {}],
  ] as const)('finds that of %s with %j', async (style, more) => {
    const { operators, difference, report } = await apply({ style, ...more });
    console.log(JSON.stringify(operators), JSON.stringify(report), JSON.stringify(difference));
    expect(operators[FUSED]).toBe(2);
    expect(operators).not.toHaveProperty('Softmax');
    expect(difference.maxError).toBeLessThan(EQUAL * difference.maxMagnitude);
  });
});
