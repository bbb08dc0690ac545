import { describe, expect, test } from 'vitest';
import type { ExecutedNode } from '../../../src/compress/profile/executed-nodes.ts';
import { measureActivations } from '../../../src/compress/profile/memory.ts';
import type { KnownTensor } from '../../../src/compress/profile/tensors.ts';
import { createNode } from '../../../src/onnx/build.ts';

function ran(operator: string, inputs: readonly string[], outputs: readonly string[]) {
  const call = { name: outputs[0] ?? '', operator, index: '', startUs: 0, tookUs: 0 };
  const told = { inputs: [], outputs: [], arenaBytes: 0, inUseBytes: 0, inner: [] };
  const node = createNode({ operator, inputs, outputs });
  const origin = { name: outputs[0] ?? '', operator, from: [], does: operator, node };
  return { ...origin, depth: 0, call: { ...call, ...told }, key: '' } satisfies ExecutedNode;
}

function sized(kind: KnownTensor['kind'], sizes: Readonly<Record<string, number>>) {
  return Object.entries(sizes).map(([name, bytes]) => [name, { shape: [], bytes, kind }] as const);
}

describe('liveness', () => {
  test('of a chain: a value goes when its last reader has run', () => {
    const known = new Map([
      ...sized('input', { x: 100 }),
      ...sized('weight', { w: 5000 }),
      ...sized('activation', { a: 40, b: 30, y: 10 }),
    ]);
    const nodes = [ran('MatMul', ['x', 'w'], ['a']), ran('Relu', ['a'], ['b'])];
    const chain = [...nodes, ran('Neg', ['b'], ['y'])];
    // With `a` comes the end of `x`, with `b` that of `a`.
    expect(measureActivations(chain, known, ['y'])).toEqual({
      totalBytes: 80,
      peakBytes: 140,
      peakAt: 'a',
    });
  });

  test('of a residual: what is read later stays', () => {
    const known = new Map([
      ...sized('input', { x: 10 }),
      ...sized('activation', { a: 100, b: 100, c: 100, y: 100 }),
    ]);
    const nodes = [
      ran('Neg', ['x'], ['a']),
      ran('Relu', ['a'], ['b']),
      ran('Abs', ['b'], ['c']),
      ran('Add', ['c', 'a'], ['y']),
    ];
    // a, b and c together; then a, c and y.
    const found = measureActivations(nodes, known, ['y']);
    expect(found).toEqual({ totalBytes: 400, peakBytes: 300, peakAt: 'c' });
  });

  test('of a view: it has no room of its own, and keeps that of its input', () => {
    const known = new Map([
      ...sized('input', { x: 10 }),
      ...sized('activation', { a: 100, v: 100, b: 50, y: 50 }),
    ]);
    const nodes = [
      ran('Neg', ['x'], ['a']),
      ran('Reshape', ['a', 'shape'], ['v']),
      ran('Relu', ['x'], ['b']),
      ran('Add', ['v', 'b'], ['y']),
    ];
    const found = measureActivations(nodes, known, ['y']);
    expect(found).toEqual({ totalBytes: 200, peakBytes: 200, peakAt: 'y' });
  });

  test('of an output: it stays to the end', () => {
    const known = new Map([
      ...sized('input', { x: 0 }),
      ...sized('activation', { early: 70, late: 20 }),
    ]);
    const nodes = [ran('Neg', ['x'], ['early']), ran('Abs', ['x'], ['late'])];
    expect(measureActivations(nodes, known, ['early', 'late']).peakBytes).toBe(90);
    expect(measureActivations(nodes, known, ['late']).peakBytes).toBe(70);
  });
});
