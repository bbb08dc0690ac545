import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Dataset, EvaluatedEvent } from '../../src/evaluate/dataset.ts';
import { halves, spread } from '../../src/evaluate/split.ts';

function event(group: string, device: string): EvaluatedEvent {
  return {
    device,
    name: `${group}/${device}`,
    group,
    contentType: 'audio/wav',
    counted: true,
    truth: group,
    file: undefined,
    mask: undefined,
    read: async () => new Uint8Array(),
  };
}

/** So many clips of each label. */
const clips = (counts: readonly number[]): Dataset => ({
  form: 'clips',
  events: counts.flatMap((count, label) =>
    Array.from({ length: count }, (_, at) => event(`label-${label}`, `clip-${label}-${at}`)),
  ),
});

const counts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 });

describe('halves', () => {
  test('shares no event, loses none, and splits each label evenly', () => {
    fc.assert(
      fc.property(counts, (given) => {
        const { choose, tell } = halves(clips(given));
        const names = [...choose.events, ...tell.events].map(({ name }) => name);
        expect(new Set(names).size).toBe(names.length);
        expect(names.length).toBe(given.reduce((sum, count) => sum + count, 0));
        for (const [label, count] of given.entries()) {
          const chosen = choose.events.filter(({ group }) => group === `label-${label}`);
          expect(chosen.length).toBe(Math.floor(count / 2));
        }
      }),
    );
  });

  test('keeps the rows of a series together', () => {
    const rows = ['1', '1', '2', '2', '2'].map((device) => event('valve', device));
    const { choose, tell } = halves({ form: 'series', events: rows });
    expect(tell.events.map(({ device }) => device)).toEqual(['1', '1']);
    expect(choose.events.map(({ device }) => device)).toEqual(['2', '2', '2']);
  });
});

test('spread takes at most so many events, of every label where there is room', () => {
  fc.assert(
    fc.property(counts, fc.integer({ min: 12, max: 64 }), (given, most) => {
      const chosen = spread(clips(given), most);
      expect(chosen.length).toBeLessThanOrEqual(most);
      expect(new Set(chosen.map(({ group }) => group)).size).toBe(given.length);
      expect(new Set(chosen).size).toBe(chosen.length);
    }),
  );
});
