import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Budget,
  type BudgetTerm,
  formatBudget,
  parseBudget,
} from '../../../src/compress/search/budget.ts';

const decimal = (min: number, max: number) =>
  fc.integer({ min: min * 100, max: max * 100 }).map((hundredths) => hundredths / 100);
const bytes = fc.integer({ min: 1, max: 2_000_000_000 });

const terms: Readonly<Record<string, fc.Arbitrary<BudgetTerm>>> = {
  accuracy: fc.oneof(
    decimal(-100, 100).map((changePpMin) => ({ kind: 'accuracy' as const, changePpMin })),
    decimal(0, 100).map((percentMin) => ({ kind: 'accuracy' as const, percentMin })),
  ),
  size: bytes.map((bytesMax) => ({ kind: 'size' as const, bytesMax })),
  latency: decimal(0.01, 10).map((ratioMax) => ({ kind: 'latency' as const, ratioMax })),
  memory: bytes.map((bytesMax) => ({ kind: 'memory' as const, bytesMax })),
  sqnr: decimal(-20, 200).map((decibelsMin) => ({ kind: 'sqnr' as const, decibelsMin })),
};
/** Some of the kinds, in any order. */
const budgets = fc
  .shuffledSubarray(Object.values(terms), { minLength: 1 })
  .chain((chosen) => fc.tuple(...chosen) as fc.Arbitrary<Budget>);
const blanks = fc.constantFrom('', ' ', '  ', '\t');

describe('parseBudget', () => {
  test.each([
    ['accuracy>=-0.5pp', [{ kind: 'accuracy', changePpMin: -0.5 }]],
    ['accuracy >= 92 %', [{ kind: 'accuracy', percentMin: 92 }]],
    ['size<=2MB', [{ kind: 'size', bytesMax: 2_000_000 }]],
    ['size<=.5kB', [{ kind: 'size', bytesMax: 500 }]],
    ['latency<=0.5x', [{ kind: 'latency', ratioMax: 0.5 }]],
    [
      'memory<=20MB, sqnr>=30dB',
      [
        { kind: 'memory', bytesMax: 20_000_000 },
        { kind: 'sqnr', decibelsMin: 30 },
      ],
    ],
  ])('reads %s', (text, expected) => {
    expect(parseBudget(text)).toEqual(expected);
  });

  test('gives back what was formatted, however it is spaced', () => {
    fc.assert(
      fc.property(budgets, blanks, (budget, blank) => {
        const text = formatBudget(budget);
        expect(parseBudget(text)).toEqual(budget);
        const spaced = text.replaceAll(/([,=])/g, `$1${blank}`).replaceAll(/([<>])/g, `${blank}$1`);
        expect(parseBudget(`${blank}${spaced}${blank}`)).toEqual(budget);
      }),
    );
  });

  test.each([
    ['', 1, 1, 'one of accuracy'],
    ['sise<=2MB', 1, 1, 'did you mean "size"'],
    ['size<=2MB,', 2, 11, 'one of'],
    ['size>=2MB', 1, 5, '"<=" after "size"'],
    ['accuracy<=1pp', 1, 9, '">=" after "accuracy"'],
    ['size<=2MB, latency<=half', 2, 21, 'as 0.5x'],
    ['size<=2mb', 1, 8, 'a unit, B or kB'],
    ['size<=2', 1, 8, 'a unit'],
    ['accuracy>=-0.5', 1, 15, 'pp or %'],
    ['size<=0MB', 1, 7, 'more than nothing'],
    ['accuracy>=101%', 1, 11, 'from 0% to 100%'],
    ['size<=1MB,size<=2MB', 2, 11, 'only once'],
    ['size<=1e3B', 1, 8, 'a unit'],
  ])('refuses "%s", naming term %i and character %i', (text, term, character, expected) => {
    const told = new RegExp(`term ${term}, .* at character ${character}: `);
    expect(() => parseBudget(text)).toThrow(told);
    expect(() => parseBudget(text)).toThrow(expected);
  });

  test('never throws anything else, whatever the text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          expect(parseBudget(text).length).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toMatchObject({ code: 'config-invalid' });
        }
      }),
    );
  });
});
