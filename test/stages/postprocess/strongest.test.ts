import { describe, expect, test } from 'vitest';
import { FieldError } from '../../../src/flow/stage.ts';
import type { TensorType } from '../../../src/flow/value.ts';
import { strongest } from '../../../src/stages/postprocess/strongest.ts';
import { FREE, float32, type Tensor } from '../../../src/tensor/tensor.ts';
import { describeStage } from '../../conformance/stage.ts';
import { compileStage, runStage } from '../../harness/run-stage.ts';
import { readOutcomes } from './labelled.ts';

const type: TensorType = {
  kind: 'tensor',
  type: 'float32',
  shape: [FREE, 3],
  labels: ['yes', 'no', 'silence'],
};

function rowsOf(...rows: readonly (readonly number[])[]): Tensor {
  return float32([rows.length, 3], Float32Array.from(rows.flat()));
}

const clip = rowsOf([0.5, 0.25, 0.25], [0, 0, 1], [0.25, 0.75, 0], [0.75, 0, 0.25]);

describeStage({
  stage: strongest,
  cases: [
    {
      title: 'windows of a clip',
      config: { rows: 2 },
      input: type,
      values: [clip, rowsOf([1, 2, 3])],
    },
    {
      title: 'rows without labels',
      config: {},
      input: { kind: 'tensor', type: 'float32', shape: [FREE, 3] },
      values: [clip],
    },
  ],
  wrongInputs: [{ kind: 'text' }, { ...type, shape: [3] }, { ...type, shape: [1, FREE, 3] }],
});

describe('strongest', () => {
  test.each([
    ['the surest row', {}, [0, 0, 1]],
    ['the surest row by the labels that count', { ignore: ['silence'] }, [0.25, 0.75, 0]],
    ['the mean of the surest two', { rows: 2, ignore: ['silence'] }, [0.5, 0.375, 0.125]],
    ['the mean of all where they are fewer', { rows: 9 }, [0.375, 0.25, 0.375]],
  ])('gives %s', async (_, config, expected) => {
    const outcomes = await runStage(strongest, { config, input: type }, [clip]);
    expect(readOutcomes(outcomes)).toEqual([expected]);
  });

  test('hands the labels on', async () => {
    const { output } = await compileStage(strongest, { config: {}, input: type });
    expect(output).toEqual({ ...type, shape: [3] });
  });

  test.each([
    [{ ignore: ['maybe'] }, type],
    [{ ignore: ['yes', 'no', 'silence'] }, type],
    [{ ignore: ['yes'] }, { kind: 'tensor', type: 'float32', shape: [FREE, 3] } as const],
  ])('refuses %o', async (config, input) => {
    await expect(compileStage(strongest, { config, input })).rejects.toBeInstanceOf(FieldError);
  });

  test.each([
    ['no rows', rowsOf(), 'shape-mismatch'],
    ['a score that is no number', rowsOf([Number.NaN, 0, 0]), 'value-invalid'],
  ])('fails on %s', async (_, value, code) => {
    await expect(runStage(strongest, { config: {}, input: type }, [value])).rejects.toMatchObject({
      code,
    });
  });
});
