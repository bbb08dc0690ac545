import { describe, expect, test } from 'vitest';
import { FieldError } from '../../../src/flow/stage.ts';
import { trim } from '../../../src/stages/preprocess/trim.ts';
import { describeStage } from '../../conformance/stage.ts';
import { compileStage } from '../../harness/run-stage.ts';
import { given, tensor, typeOf } from './values.ts';

const signal = typeOf([-1], { sampleRateHz: 4 });

describeStage({
  stage: trim,
  cases: [
    {
      title: 'a cut with silence around',
      config: { secondsMax: 1, secondsBefore: 0.5, secondsAfter: 1, silenceNoise: 0.1 },
      input: signal,
      values: [tensor([2]), tensor([7]), tensor([0])],
    },
    {
      title: 'clips of one length',
      config: {},
      input: typeOf([3], { sampleRateHz: 4 }),
      values: [tensor([3])],
    },
  ],
  wrongInputs: [{ kind: 'bytes' }, typeOf([-1]), typeOf([-1, 2], { sampleRateHz: 4 })],
});

describe('trim', () => {
  test.each([
    ['keeps the end of a long clip', { secondsMax: 0.5 }, [4, 5]],
    ['keeps its start where it is told to', { secondsMax: 0.5, keep: 'start' }, [1, 2]],
    ['leaves a short clip as it is', { secondsMax: 2 }, [1, 2, 3, 4, 5]],
    ['puts silence around', { secondsBefore: 0.25, secondsAfter: 0.5 }, [0, 1, 2, 3, 4, 5, 0, 0]],
  ])('%s', async (_, config, expected) => {
    expect(await given(trim, { config, input: signal }, [tensor([5], 1)])).toEqual([[expected]]);
  });

  test('the noise in the silence is the same each time, and no louder than told', async () => {
    const config = { secondsBefore: 25, secondsAfter: 25, silenceNoise: 0.01 };
    const clips = [tensor([1], 7), tensor([1], 7)];
    const found = await given(trim, { config, input: signal }, clips);
    const [first, second] = found.flat() as number[][];
    expect(first).toEqual(second);
    const noise = first!.filter((sample) => sample !== 7);
    expect(noise).toHaveLength(200);
    expect(Math.max(...noise.map(Math.abs))).toBeLessThanOrEqual(0.01);
    expect(Math.hypot(...noise) / Math.sqrt(noise.length)).toBeGreaterThan(0.004);
  });

  test.each([
    [typeOf([100], { sampleRateHz: 4 }), [8 + 12]],
    [typeOf([5], { sampleRateHz: 4 }), [5 + 12]],
    [signal, [-1]],
  ])('declares the length that a clip of %o has', async (input, shape) => {
    const config = { secondsMax: 2, secondsBefore: 1, secondsAfter: 2 };
    expect((await compileStage(trim, { config, input })).output).toEqual({ ...signal, shape });
  });

  test('refuses less than a sample', async () => {
    const use = { config: { secondsMax: 0.1 }, input: signal };
    await expect(compileStage(trim, use)).rejects.toBeInstanceOf(FieldError);
  });
});
