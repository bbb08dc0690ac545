import { describe, expect, test } from 'vitest';
import { parseManifest } from '../../src/models/manifest.ts';
import { LedgeError } from '../../src/std/error.ts';
import { FREE } from '../../src/tensor/tensor.ts';

const SHA = 'a'.repeat(64);
const GOOD = `
name: kws
version: 1.0.0
sha256: ${SHA}
precision: int8
inputs: [{ name: mel, type: float32, shape: [N, 49, 10] }]
outputs: [{ name: scores, type: float32, shape: [N, 3] }]
labels: ['yes', 'no', other]
licence: MIT
origin: made by scripts/train
accuracy: [{ metric: accuracy, value: 0.9, data: dev speakers, count: 369 }]
description: Words.
`;

const failureOf = (text: string): LedgeError => {
  try {
    parseManifest(text, 'model.yaml');
  } catch (error) {
    if (error instanceof LedgeError) return error;
    throw error;
  }
  throw new Error('it parsed');
};

describe('a manifest', () => {
  test('is parsed, with free dimensions and the usual file name', () => {
    const manifest = parseManifest(GOOD, 'model.yaml');
    expect(manifest).toMatchObject({
      name: 'kws',
      version: '1.0.0',
      file: 'model.onnx',
      inputs: [{ name: 'mel', type: 'float32', shape: [FREE, 49, 10] }],
      labels: ['yes', 'no', 'other'],
    });
  });

  test('takes a version and labels that YAML reads as numbers', () => {
    const text = GOOD.replace('1.0.0', '2').replace("['yes', 'no', other]", '[0, 1, 2]');
    expect(parseManifest(text, 'model.yaml')).toMatchObject({
      version: '2',
      labels: ['0', '1', '2'],
    });
  });

  test.each([
    { what: 'an unknown field', from: 'licence', to: 'license', told: /license.*no such field/ },
    { what: 'a missing field', from: 'name: kws', to: '', told: /name: .*expected/ },
    { what: 'a short hash', from: SHA, to: 'abc', told: /model\.yaml:4: sha256: found "abc"/ },
    {
      what: 'a free dimension of another name',
      from: '[N, 49',
      to: '[M, 49',
      told: /inputs\.0\.shape\.0/,
    },
    { what: 'a negative size', from: '[N, 49', to: '[-1, 49', told: /inputs\.0\.shape\.0/ },
    { what: 'an unknown type', from: 'type: float32', to: 'type: string', told: /inputs\.0\.type/ },
    { what: 'a file elsewhere', from: 'licence: MIT', to: 'file: ../x.onnx', told: /same folder/ },
    { what: 'an absolute file', from: 'licence: MIT', to: 'file: /x.onnx', told: /same folder/ },
    { what: 'no YAML', from: 'name: kws', to: 'name: [', told: /YAML/ },
  ])('with $what fails with model-invalid, naming it', ({ from, to, told }) => {
    const error = failureOf(GOOD.replace(from, to));
    expect(error.code).toBe('model-invalid');
    expect(error.message).toMatch(told);
  });

  test('with an alias bomb is refused', () => {
    const bomb = [
      'a: &a [x, x, x, x, x, x, x, x, x]',
      'b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]',
      'c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]',
      'd: [*c, *c, *c, *c, *c, *c, *c, *c, *c]',
    ].join('\n');
    expect(failureOf(bomb)).toMatchObject({ code: 'model-invalid' });
  });
});
