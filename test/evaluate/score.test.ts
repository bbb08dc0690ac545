import { describe, expect, test } from 'vitest';
import type { Evaluated } from '../../src/evaluate/dataset.ts';
import { defectScoreOf, labelOf, scoreAll } from '../../src/evaluate/score.ts';

/** An event of this truth with these results. */
function evaluated(
  truth: string | boolean | undefined,
  results: readonly Record<string, unknown>[],
  counted = true,
): Evaluated {
  const read = async () => new Uint8Array();
  const event = {
    device: 'd',
    name: 'n',
    group: 'g',
    contentType: 'x',
    counted,
    truth,
    file: undefined,
    mask: undefined,
    read,
  };
  const latencyMs = results.length === 0 ? undefined : 2;
  return { event, results, error: undefined, latencyMs };
}

const anomaly = (said: boolean) => [{ score: 1, anomaly: said, threshold: 2 }];

describe('scoreAll', () => {
  test('pools the labelled rows of series and leaves out what was learned from', async () => {
    const rows = [
      evaluated(true, anomaly(true)),
      evaluated(true, anomaly(false)),
      evaluated(false, anomaly(false)),
      evaluated(true, [], false),
      evaluated(undefined, anomaly(true)),
    ];
    expect(await scoreAll('series', rows)).toEqual({
      f1: 0.6667,
      far: 0,
      mar: 50,
      latencyMsP50: 2,
      latencyMsP95: 2,
      unanswered: 0,
    });
  });
  test('tells false alarms alone of series without labels', async () => {
    const rows = [evaluated(undefined, anomaly(true)), evaluated(undefined, anomaly(false))];
    expect(await scoreAll('series', rows)).toMatchObject({ far: 50 });
    expect(await scoreAll('series', rows)).not.toHaveProperty('f1');
  });
  test('counts an event without a result as wrong', async () => {
    const clips = [evaluated('yes', [{ label: 'yes', score: 1 }]), evaluated('no', [])];
    expect(await scoreAll('clips', clips)).toMatchObject({ accuracy: 0.5, unanswered: 1 });
  });
  test('tells how well defects are told from good parts', async () => {
    const parts = [
      evaluated('free', [{ label: 'free', score: 0.9 }]),
      evaluated('crack', [{ label: 'crack', score: 0.6 }]),
      evaluated('fray', [{ label: 'crack', score: 0.7 }]),
    ];
    expect(await scoreAll('images', parts)).toMatchObject({ auroc: 1, accuracy: 0.6667 });
  });
});

describe('labelOf', () => {
  test.each([
    [
      'the surest part',
      [
        { label: 'a', score: 0.2 },
        { label: 'b', score: 0.9 },
      ],
      'b',
    ],
    ['a label in underscores', [{ label: '_silence_', score: 1 }], 'silence'],
    ['nothing', [], undefined],
  ])('of %s', (_, results, expected) => {
    expect(labelOf(results)).toBe(expected);
  });
});

describe('defectScoreOf', () => {
  test.each([
    ['all scores by name', { label: 'crack', score: 0.5, scores: { free: 0.2, crack: 0.5 } }, 0.8],
    ['the best labels', { label: 'free', score: 0.7, top: [{ label: 'free', score: 0.7 }] }, 0.3],
    ['a good part alone', { label: 'free', score: 0.75 }, 0.25],
    ['a defect alone', { label: 'crack', score: 0.75 }, 0.75],
    ['an anomaly score', { score: 3, anomaly: true }, 3],
  ])('from %s', (_, result, expected) => {
    expect(defectScoreOf(result)).toBeCloseTo(expected, 12);
  });
});
