import { describe, expect, test } from 'vitest';
import { fuse } from '../../src/compress/passes/fuse.ts';
import { prune } from '../../src/compress/passes/prune.ts';
import type { Model, Node } from '../../src/onnx/proto.ts';
import { valueInfo } from '../fixtures/onnx-models.ts';
import { type Transformer, transformer } from '../fixtures/transformer-models.ts';
import { createPassCase, REAL_MODELS } from '../harness/compress-case.ts';
import { sharedData } from '../harness/shared-data.ts';

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
    ['llama', { past: true, scaled: 'factors' }],
  ] as const)('finds that of %s with %j', async (style, more) => {
    const { operators, difference } = await apply({ style, ...more });
    expect(operators[FUSED]).toBe(2);
    expect(operators).not.toHaveProperty('Softmax');
    expect(difference.maxError).toBeLessThan(EQUAL * difference.maxMagnitude);
  });

  test('keeps the outputs where the scale is another one', async () => {
    const whole = transformer({ ...SHAPE, style: 'llama' });
    const products = new Set(whole.graph!.nodes.filter(isProduct).flatMap((one) => one.outputs));
    // Times the root instead of by it.
    const model = changed(whole, (one) =>
      one.operator === 'Div' && products.has(one.inputs[0]!) ? { ...one, operator: 'Mul' } : one,
    );
    const { operators, difference } = await cases.apply(model, fuse, {}, SAMPLES);
    expect(operators[FUSED]).toBe(2);
    expect(difference.maxError).toBeLessThan(EQUAL * difference.maxMagnitude);
  });

  test('leaves a real export whose attention is fused already', async () => {
    const path = sharedData('models/tiny-random-gpt2/past.onnx');
    if (path === undefined) return;
    const samples = REAL_MODELS['tiny-random-gpt2/past.onnx'];
    const { operators, difference } = await cases.apply(await cases.read(path), fuse, {}, samples);
    expect(operators['com.microsoft.Attention']).toBe(5);
    expect(difference.maxError).toBe(0);
  });

  test.each([
    ['keys are those of several queries', { keyHeads: 2 }, /its keys are changed/, {}],
    ['the recipe says so', {}, undefined, { attention: false }],
  ] as const)('leaves it where %s', async (_, more, reason, config) => {
    const model = transformer({ ...SHAPE, style: 'llama', ...more });
    const { operators, report } = await cases.apply(model, fuse, config, SAMPLES);
    expect(operators).toMatchObject({ Softmax: 2 });
    expect(report.left.map((one) => one.reason).join()).toMatch(reason ?? /^$/);
  });

  test('leaves it where the table is no triangle, or something else reads the shares', async () => {
    const whole = transformer({ ...SHAPE, style: 'gpt2' });
    const initializers = whole.graph!.initializers.map((one) => {
      if (one.name !== 'causal') return one;
      const rawData = new Uint8Array(one.rawData!);
      rawData[1] = 1;
      return { ...one, rawData };
    });
    const odd = { ...whole, graph: { ...whole.graph!, initializers } };
    const other = await cases.apply(odd, fuse, {}, SAMPLES);
    expect(other.operators).toMatchObject({ Softmax: 2 });
    expect(other.report.left[0]?.reason).toMatch(/another table than a causal one/);
    const softmax = whole.graph!.nodes.find((one) => one.operator === 'Softmax')!;
    const told = valueInfo(softmax.outputs[0]!, 'float32', ['batch', 4, 'row', 'row']);
    const outputs = [...whole.graph!.outputs, told];
    const open = { ...whole, graph: { ...whole.graph!, outputs } };
    const read = await cases.apply(open, fuse, {}, SAMPLES);
    expect(read.operators).toMatchObject({ Softmax: 1, [FUSED]: 1 });
    expect(read.report.left[0]?.reason).toBe(
      `attention: the output ${told.name} reads a value inside it`,
    );
    expect(read.difference.maxError).toBeLessThan(EQUAL * read.difference.maxMagnitude);
  });

  test('can be pruned: a fused operator loses whole heads', async () => {
    const fused = await cases.apply(transformer({ ...SHAPE, style: 'gpt2' }), fuse, {}, SAMPLES);
    const config = { importance: 'l1', scope: ['heads'] };
    const { model } = await cases.apply(fused.model, prune, config, SAMPLES);
    const heads = model
      .graph!.nodes.filter((one) => one.operator === 'MultiHeadAttention')
      .map((one) => one.attributes.find(({ name }) => name === 'num_heads')?.int);
    expect(heads.every((count) => count! < 4n)).toBe(true);
  });
});

function isProduct({ operator }: Node): boolean {
  return operator === 'MatMul';
}

function changed(model: Model, change: (one: Node) => Node): Model {
  return { ...model, graph: { ...model.graph!, nodes: model.graph!.nodes.map(change) } };
}
