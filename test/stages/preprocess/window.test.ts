import { describe, expect, test } from 'vitest';
import { FieldError } from '../../../src/flow/stage.ts';
import { window } from '../../../src/stages/preprocess/window.ts';
import { describeStage } from '../../conformance/stage.ts';
import { compileStage, eventOf, runStage, runStep, valuesOf } from '../../harness/run-stage.ts';
import { given, plain, record, tensor, typeOf } from './values.ts';

const signal = typeOf([-1], { sampleRateHz: 4 });
const records = { kind: 'fields' as const };
const ramp = [0, 4, 8, 12].map((from) => tensor([4], from));
const rows = [1, 2, 3, 4, 5, 6].map((a) => record({ b: -a, a }));

describeStage({
  stage: window,
  cases: [
    {
      title: 'clips',
      config: { size: 4, hop: 2 },
      input: signal,
      values: [tensor([4]), tensor([7])],
    },
    {
      title: 'a stream of frames',
      config: { size: 3, hop: 2, pad: 1, flush: 'stream' },
      input: typeOf([-1, 2]),
      values: [tensor([2, 2]), tensor([1, 2]), tensor([5, 2])],
    },
    {
      title: 'frames of a clip together',
      config: { size: 3, hop: 2, emit: 'together', partial: 'drop' },
      input: typeOf([-1, 2]),
      values: [tensor([3, 2]), tensor([2, 2]), tensor([9, 2])],
    },
    {
      title: 'records by count',
      config: { size: 3, hop: 1, fields: ['a', 'b'] },
      input: records,
      values: rows,
    },
    {
      title: 'records by time',
      config: { seconds: 2, hopSeconds: 1, fields: ['a'] },
      input: records,
      values: rows,
    },
  ],
  wrongInputs: [{ kind: 'bytes' }, { ...signal, type: 'int16' }, typeOf([])],
});

describe('window over a signal', () => {
  test.each([
    ['a clip as long as the window', { size: 4 }, [tensor([4])], [[[0, 1, 2, 3]]]],
    ['a clip by seconds', { seconds: 1 }, [tensor([4])], [[[0, 1, 2, 3]]]],
    ['a short clip', { size: 4 }, [tensor([2], 1)], [[[1, 2, 0, 0]]]],
    [
      'clips that do not meet',
      { size: 3 },
      [tensor([2], 1), tensor([2], 1)],
      [[[1, 2, 0]], [[1, 2, 0]]],
    ],
    [
      'a stream',
      { seconds: 1, hopSeconds: 0.5, flush: 'stream' },
      [tensor([3]), tensor([4], 3)],
      [
        [],
        [
          [0, 1, 2, 3],
          [2, 3, 4, 5],
        ],
      ],
    ],
    ['a rest that is dropped', { size: 4, partial: 'drop' }, [tensor([3])], [[]]],
  ])('%s', async (_, config, values, expected) => {
    expect(await given(window, { config, input: signal }, values)).toEqual(expected);
  });

  test('windows that go on together are one tensor with an axis before', async () => {
    const input = typeOf([-1, 2], { sampleRateHz: 4, labels: ['x', 'y'] });
    const use = { config: { size: 2, hop: 1, emit: 'together' }, input };
    const { output } = await compileStage(window, use);
    expect(output).toEqual({ ...typeOf([-1, 2, 2]), labels: ['x', 'y'] });
    const outcomes = await runStage(window, use, [tensor([3, 2]), tensor([2, 2])]);
    expect(outcomes.flatMap(valuesOf)).toEqual([
      tensor([2, 2, 2], [0, 1, 2, 3, 2, 3, 4, 5]),
      tensor([1, 2, 2]),
    ]);
  });

  test('windows of records go on one by one only', async () => {
    const use = { config: { size: 2, fields: ['a'], emit: 'together' }, input: records };
    await expect(compileStage(window, use)).rejects.toBeInstanceOf(FieldError);
  });

  test('keeps the rate, the labels and the inner axes of what it cuts', async () => {
    const input = typeOf([-1, 3], { sampleRateHz: 100, labels: ['x', 'y', 'z'] });
    const { output } = await compileStage(window, { config: { seconds: 0.5 }, input });
    expect(output).toEqual({ ...input, shape: [50, 3] });
  });

  test('a stream forgets at the next event where it is told to', async () => {
    const config = { size: 4, hop: 4, flush: 'stream', restart: 'event' };
    const use = { config, input: signal };
    const step = (await compileStage(window, use)).open();
    const counts: number[] = [];
    for (const [id, value] of [
      ['a', ramp[0]],
      ['a', tensor([3])],
      ['b', tensor([1])],
      ['b', tensor([3])],
    ] as const) {
      const outcome = await runStep(step, value!, { use, event: eventOf({ id }) });
      counts.push(valuesOf(outcome).length);
    }
    expect(counts).toEqual([1, 0, 0, 1]);
  });

  test('a stream begins afresh behind a gap', async () => {
    const config = { size: 4, flush: 'stream', gapSeconds: 2 };
    const use = { config, input: signal };
    const step = (await compileStage(window, use)).open();
    const windows: unknown[] = [];
    for (const [id, ts] of [
      ['a', 0],
      ['b', 3000],
      ['c', 4000],
    ] as const) {
      const outcome = await runStep(step, tensor([2], ts), { use, event: eventOf({ id, ts }) });
      windows.push(...valuesOf(outcome).map(plain));
    }
    expect(windows).toEqual([[3000, 3001, 4000, 4001]]);
  });

  test('refuses a value that completes too many windows', async () => {
    const use = { config: { size: 1, windowsMax: 3 }, input: signal };
    const run = runStage(window, use, [tensor([4])]);
    await expect(run).rejects.toMatchObject({
      code: 'payload-too-large',
      message: /4 windows, the limit is 3/,
    });
  });

  test('gives every window a buffer of its own', async () => {
    const use = { config: { size: 4, hop: 1 }, input: signal };
    const [outcome] = await runStage(window, use, [tensor([9])]);
    const buffers = valuesOf(outcome!).map((value) => value.kind === 'tensor' && value.data.buffer);
    expect(new Set(buffers).size).toBe(6);
  });
});

describe('window over records', () => {
  test.each([
    [
      'of its size, in the order of the columns',
      { size: 2, fields: ['a', 'b'] },
      [[], [[1, -1, 2, -2]], [], [[3, -3, 4, -4]], [], [[5, -5, 6, -6]]],
    ],
    [
      'that overlap',
      { size: 3, hop: 2, fields: ['a'] },
      [[], [], [[1, 2, 3]], [], [[3, 4, 5]], []],
    ],
    [
      'by time',
      { seconds: 3, hopSeconds: 2, fields: ['a'] },
      [[], [], [], [[2, 3, 4]], [], [[4, 5, 6]]],
    ],
    [
      'by time, of few records',
      { seconds: 3, recordsMax: 2, fields: ['a'] },
      [[], [], [], [[3, 4]], [], []],
    ],
  ])('%s', async (_, config, expected) => {
    expect(await given(window, { config, input: records }, rows)).toEqual(expected);
  });

  test('a late record takes its place by time', async () => {
    const use = { config: { size: 3, fields: ['a'] }, input: records };
    const step = (await compileStage(window, use)).open();
    const windows: unknown[] = [];
    for (const [ts, a] of [
      [1000, 1],
      [3000, 3],
      [2000, 2],
    ] as const) {
      const outcome = await runStep(step, record({ a }), { use, event: eventOf({ ts }) });
      windows.push(...valuesOf(outcome).map(plain));
    }
    expect(windows).toEqual([[1, 2, 3]]);
  });

  test('names a field that is missing', async () => {
    const use = { config: { size: 2, fields: ['a', 'c'] }, input: records };
    await expect(runStage(window, use, rows)).rejects.toMatchObject({
      code: 'value-invalid',
      message: /field c is missing, it has b, a/,
    });
  });

  test('takes the fields that an earlier step declared', async () => {
    const input = { kind: 'fields' as const, names: ['x', 'y'] };
    const { output } = await compileStage(window, { config: { size: 5 }, input });
    expect(output).toEqual(typeOf([5, 2], { labels: ['x', 'y'] }));
  });
});

test.each([
  ['size', {}, signal],
  ['size', { size: 1, seconds: 1 }, signal],
  ['hop', { size: 1, hop: 1, hopSeconds: 1 }, signal],
  ['seconds', { seconds: 1 }, typeOf([-1])],
  ['fields', { size: 1, fields: ['a'] }, signal],
  ['fields', { size: 1 }, records],
  ['fields', { size: 1, fields: ['a', 'a'] }, records],
  ['fields', { size: 1, fields: ['z'] }, { ...records, names: ['a'] }],
  ['pad', { size: 1, pad: 1, fields: ['a'] }, records],
  ['hop', { seconds: 1, hop: 1, fields: ['a'] }, records],
  ['hopSeconds', { size: 1, hopSeconds: 1, fields: ['a'] }, records],
])('window names %s where it does not fit: %j', async (field, config, input) => {
  const compiled = compileStage(window, { config, input });
  await expect(compiled).rejects.toBeInstanceOf(FieldError);
  await expect(compiled).rejects.toMatchObject({ field });
});
