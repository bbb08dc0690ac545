import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ChunkCounts, createChunkOrder } from '../../src/signal/chunk-order.ts';

const NUMBERS = 2 ** 32;
const CHUNK = 10;

/** A chunk that carries its own number, so that a test sees where each went. */
const chunk = (number: number): Float32Array => new Float32Array(CHUNK).fill(number + 1);

function open() {
  return createChunkOrder<Float32Array>({
    bridgedMax: 2 * CHUNK,
    silence: (length) => new Float32Array(length),
  });
}

/** Pushes chunks by number; gives one entry a chunk: its number, or `-` for one of silence. */
function run(numbers: readonly (number | undefined)[], base = 0) {
  const order = open();
  const samples = numbers.flatMap((number) =>
    order
      .push(number === undefined ? undefined : (base + number) % NUMBERS, chunk(number ?? 99))
      .flatMap((part) => [...part]),
  );
  const heard: (number | '-')[] = [];
  for (let at = 0; at < samples.length; at += CHUNK) {
    heard.push(samples[at] === 0 ? '-' : samples[at]! - 1);
  }
  return { heard, counts: order.counts };
}

const NOTHING: ChunkCounts = {
  ...{ lost: 0, bridged: 0, cuts: 0, late: 0, duplicated: 0, reordered: 0, restarts: 0 },
};

describe('numbered chunks', () => {
  test.each([
    ['in order go on at once', [0, 1, 2], [0, 1, 2], {}],
    ['without numbers go on at once', [undefined, undefined], [99, 99], {}],
    ['that changed places are put right', [0, 2, 1, 3], [0, 1, 2, 3], { reordered: 1 }],
    ['overtaken by two are put right', [0, 2, 3, 1, 4], [0, 1, 2, 3, 4], { reordered: 1 }],
    ['that came twice count once', [0, 1, 1, 2, 0], [0, 1, 2], { duplicated: 2 }],
    [
      'that wait and come again count once',
      [0, 2, 2, 1],
      [0, 1, 2],
      { duplicated: 1, reordered: 1 },
    ],
    ['one lost is bridged', [0, 2, 3, 4], [0, '-', 2, 3, 4], { lost: 1, bridged: 1 }],
    ['two lost are bridged', [0, 3, 4, 5], [0, '-', '-', 3, 4, 5], { lost: 2, bridged: 2 }],
    ['three lost are a cut', [0, 4, 5, 6], [0, 4, 5, 6], { lost: 3, cuts: 1 }],
    ['many lost are a cut at once', [0, 60, 61], [0, 60, 61], { lost: 59, cuts: 1 }],
    [
      'too late are left out',
      [0, 2, 3, 4, 1, 5],
      [0, '-', 2, 3, 4, 5],
      { lost: 1, bridged: 1, late: 1 },
    ],
    [
      'far ahead are a sender that starts',
      [5, 90_000, 90_001],
      [5, 90_000, 90_001],
      { restarts: 1 },
    ],
  ] as const)('%s', (_, numbers, heard, counts) => {
    expect(run(numbers)).toEqual({ heard, counts: { ...NOTHING, ...counts } });
  });

  test('go round after 2^32 - 1', () => {
    const { heard, counts } = run([0, 1, 3, 2, 5, 6, 7], NUMBERS - 2);
    expect(heard).toEqual([0, 1, 2, 3, '-', 5, 6, 7]);
    expect(counts).toEqual({ ...NOTHING, reordered: 1, lost: 1, bridged: 1 });
  });

  test('from a sender that counts afresh are heard again after eight', () => {
    const again = Array.from({ length: 10 }, (_, at) => at);
    const { heard, counts } = run([500, 501, ...again]);
    expect(heard).toEqual([500, 501, 7, 8, 9]);
    expect(counts).toMatchObject({ restarts: 1 });
  });

  test('in any order, with any loss, are never heard twice or out of order', () => {
    const moves = fc.array(
      fc.record({ lost: fc.boolean(), twice: fc.boolean(), back: fc.nat(5) }),
      {
        maxLength: 60,
      },
    );
    fc.assert(
      fc.property(moves, fc.nat(NUMBERS - 1), (plan, base) => {
        const sent = plan
          .flatMap(({ lost, twice, back }, number) => {
            if (lost) return [];
            const one = { number, at: number + back };
            return twice ? [one, { number, at: number + 3 }] : [one];
          })
          .sort((a, b) => a.at - b.at)
          .map(({ number }) => number);
        const { heard, counts } = run(sent, base);
        const numbers = heard.filter((one) => one !== '-');
        const silent = heard.length - numbers.length;
        expect(silent).toBe(counts.bridged);
        if (counts.restarts > 0) return;
        expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
        const refused = counts.late + counts.duplicated;
        const waiting = sent.length - numbers.length - refused;
        expect(waiting).toBeGreaterThanOrEqual(0);
        expect(waiting).toBeLessThanOrEqual(2);
      }),
    );
  });
});
