import { describe, expect, test } from 'vitest';
import type { NodeProfile } from '../../../src/compress/profile/profile.ts';
import { loadRecipe } from '../../../src/compress/recipe.ts';
import { madeProfile, nodeProfile } from '../../fixtures/profile.ts';

type Given = Partial<NodeProfile> & { readonly ms: number };

const head: Given = { ms: 81, bytes: 155e6, weightBytes: 154e6, roofShare: 0.92 };
const rest: Given = { operator: 'Softmax', ms: 19, bound: 'overhead' };

describe('what holds a model back', () => {
  test('is memory where most of the time moves weights at its bandwidth', () => {
    const { sentence, bound, recipe } = madeProfile([nodeProfile(head), nodeProfile(rest)]).verdict;
    expect(sentence).toBe(
      "81 % of the time is MatMul moving 154 MB of weights at 92 % of this machine's memory " +
        'bandwidth: fewer bits help, faster arithmetic does not.',
    );
    expect({ bound, recipe }).toEqual({ bound: 'memory', recipe: 'int8' });
  });

  test.each<[string, Partial<Given>, string | undefined]>([
    ['weights of MatMul in floats', {}, 'int8'],
    ['weights in 8 bits', { operator: 'MatMulIntegerToFloat' }, 'int4'],
    ['weights of Conv', { operator: 'Conv' }, 'int8-static'],
    ['weights in 4 bits', { operator: 'MatMulNBits' }, undefined],
    ['values between nodes', { operator: 'Add', weightBytes: 0 }, 'clean'],
    ['arithmetic of Conv', { operator: 'Conv', bound: 'compute' }, 'int8-static'],
    ['arithmetic in 8 bits', { operator: 'QLinearConv', bound: 'compute' }, undefined],
    ['slow kernels', { operator: 'Resize', bound: 'kernel', roofShare: 0.1 }, 'clean'],
    ['calls', { bound: 'overhead' }, 'clean'],
  ])('leads from %s to a recipe that there is', async (_, parts, recipe) => {
    const { verdict } = madeProfile([nodeProfile({ ...head, ...parts }), nodeProfile(rest)]);
    expect(verdict.recipe).toBe(recipe);
    if (recipe !== undefined) expect((await loadRecipe(recipe)).name).toBe(recipe);
  });

  test('is the runtime where it takes the time between nodes', () => {
    const { verdict } = madeProfile([nodeProfile({ ms: 1 })], 9);
    expect(verdict.bound).toBe('overhead');
    expect(verdict.shares.overhead).toBeCloseTo(0.9);
  });

  test('is no single cause where none has half of the time', () => {
    const { verdict } = madeProfile([
      nodeProfile({ ms: 40 }),
      nodeProfile({ ms: 35, operator: 'Conv', bound: 'compute' }),
      nodeProfile({ ms: 25, operator: 'Add', bound: 'overhead' }),
    ]);
    expect(verdict.bound).toBe('mixed');
    expect(verdict.sentence).toMatch(/memory 40 %, arithmetic 35 %, calls of small nodes 25 %/);
  });

  test('can be told of a model without nodes', () => {
    expect(madeProfile([], 1).verdict.bound).toBe('overhead');
  });
});
