import { expect, test } from 'vitest';
import { FieldError } from '../../../src/flow/stage.ts';
import { normalise } from '../../../src/stages/preprocess/normalise.ts';
import { float32, type Tensor, tensorOf } from '../../../src/tensor/tensor.ts';
import { describeStage } from '../../conformance/stage.ts';
import { compileStage, runStage, type StageUse } from '../../harness/run-stage.ts';

const pixels = (shape: readonly number[]) => ({ kind: 'tensor', type: 'uint8', shape }) as const;
const uint8 = (shape: readonly number[], ...data: number[]) =>
  tensorOf('uint8', shape, Uint8Array.from(data));

async function normalised(config: StageUse['config'], tensor: Tensor): Promise<number[]> {
  const { data: _data, ...input } = tensor;
  const use = { config, input };
  const [outcome] = await runStage(normalise, use, [tensor]);
  if (outcome?.kind !== 'emit' || outcome.value.kind !== 'tensor') throw new Error('no tensor');
  expect(outcome.value.shape).toEqual(tensor.shape);
  return Array.from(outcome.value.data as Float32Array, (number) => Math.round(number * 1e4) / 1e4);
}

describeStage({
  stage: normalise,
  cases: [
    {
      title: 'imagenet',
      config: { preset: 'imagenet' },
      input: pixels([1, 2, 3]),
      values: [uint8([1, 2, 3], 0, 128, 255, 1, 2, 3)],
    },
  ],
  wrongInputs: [{ kind: 'image' }, pixels([1, 2, 4])],
});

const row = uint8([1, 2, 3], 0, 0, 0, 255, 255, 255);
const planes = uint8([3, 1, 2], 0, 255, 0, 255, 0, 255);

test.each([
  ['unit', { preset: 'unit' }, row, [0, 0, 0, 1, 1, 1]],
  ['signed', { preset: 'signed' }, row, [-1, -1, -1, 1, 1, 1]],
  [
    'imagenet, channels last',
    { preset: 'imagenet' },
    row,
    [-2.1179, -2.0357, -1.8044, 2.2489, 2.4286, 2.64],
  ],
  [
    'imagenet, channels first',
    { preset: 'imagenet', channels: 'first' },
    planes,
    [-2.1179, 2.2489, -2.0357, 2.4286, -1.8044, 2.64],
  ],
  [
    'its own numbers',
    { scale: 2, mean: [1, 2, 3], deviation: [2] },
    uint8([2, 3], 1, 2, 3, 4, 5, 6),
    [0.5, 1, 1.5, 3.5, 4, 4.5],
  ],
  [
    'a preset with a mean of its own',
    { preset: 'unit', mean: [0.5] },
    uint8([3], 0, 51, 255),
    [-0.5, -0.3, 0.5],
  ],
  ['nothing', {}, float32([2], Float32Array.of(1.5, -2)), [1.5, -2]],
  ['int64', { scale: 0.5 }, tensorOf('int64', [2], BigInt64Array.of(3n, -4n)), [1.5, -2]],
  [
    'pictures in a batch, channels first',
    { mean: [1, 10], channels: 'first' },
    uint8([2, 2, 1, 1], 1, 10, 2, 20),
    [0, 0, 1, 10],
  ],
] as const)('normalise by %s', async (_title, config, tensor, expected) => {
  expect(await normalised(config, tensor)).toEqual(expected);
});

test.each([
  ['deviation', { deviation: [0] }, pixels([8, 8, 3])],
  ['mean', { mean: [1, 2] }, pixels([8, 8, 3])],
  ['deviation', { mean: [1, 2, 3], deviation: [1, 2] }, pixels([8, 8, 3])],
  ['preset', { preset: 'imagenet' }, pixels([8, 8, 1])],
  ['channels', { channels: 'first' }, pixels([8, 8])],
] as const)('normalise refuses a wrong %s: %j', async (field, config, input) => {
  const compiled = compileStage(normalise, { config, input });
  await expect(compiled).rejects.toBeInstanceOf(FieldError);
  await expect(compiled).rejects.toMatchObject({ field });
});
