import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  CALM_BELOW_CELSIUS,
  type DecisionLimits,
  decide,
  type LadderFacts,
  startDecision,
} from '../../src/node/ladder-decision.ts';

const LIMITS: DecisionLimits = {
  throttleAtCelsius: 80,
  waitShareMax: 0.5,
  fillShareMax: 0.5,
  missedShareMax: 0.1,
  downAfterMs: 5_000,
  upAfterMs: 60_000,
  upAfterMsMax: 480_000,
};
const WELL: LadderFacts = { celsius: 40, waitShare: 0, fillShare: 0, missedShare: 0 };
const FULL: LadderFacts = { ...WELL, fillShare: 0.9 };
const LAST = 2;

interface Move {
  readonly atMs: number;
  readonly to: number;
  readonly cause: string;
}

/** Looks at one thing after the other, and makes every move at once. */
function walk(
  looks: readonly (readonly [facts: LadderFacts, afterMs: number])[],
  { limits = LIMITS, at: first = 0, best = 0 } = {},
) {
  let state = startDecision(limits);
  let at = first;
  let nowMs = 0;
  const moves: Move[] = [];
  for (const [facts, afterMs] of looks) {
    nowMs += afterMs;
    const decision = decide(state, facts, { limits, place: { at, best, last: LAST }, nowMs });
    state = decision.state;
    if (decision.move === undefined) continue;
    at = decision.move.to;
    moves.push({ atMs: nowMs, to: at, cause: decision.move.why.cause });
  }
  return { moves, at, state };
}

const every = (milliseconds: number, count: number, facts: LadderFacts) =>
  Array.from({ length: count }, () => [facts, milliseconds] as const);

describe('a step', () => {
  test.each([
    ['heat', { ...WELL, celsius: 80 }, '80 °C, limit 80 °C'],
    ['queue', FULL, '90 % of the queue filled, limit 50 %'],
    ['queue', { ...WELL, waitShare: 0.75 }, '75 % of the deadline waited, limit 50 %'],
    ['deadlines', { ...WELL, missedShare: 0.5 }, '50 % of the events missed theirs, limit 10 %'],
  ])('down is for %s once that has lasted', (cause, facts, detail) => {
    let { state } = walk(every(1_000, 5, facts));
    expect(walk(every(1_000, 5, facts)).moves).toEqual([]);
    const place = { at: 0, best: 0, last: LAST };
    const { move, state: after } = decide(state, facts, { limits: LIMITS, place, nowMs: 6_000 });
    expect(move).toEqual({ to: 1, why: { cause, detail } });
    state = after;
    const next = { limits: LIMITS, place: { ...place, at: 1 }, nowMs: 7_000 };
    expect(decide(state, facts, next).move).toBeUndefined();
  });

  test('down needs every look in between to be bad', () => {
    const broken = [...every(1_000, 4, FULL), ...every(1_000, 1, WELL), ...every(1_000, 4, FULL)];
    expect(walk(broken).moves).toEqual([]);
    expect(walk([...broken, ...every(1_000, 2, FULL)]).moves).toMatchObject([{ to: 1 }]);
  });

  test('down is one rung at a time, and ends at the last', () => {
    const { moves, at } = walk(every(1_000, 60, FULL));
    expect(moves.map(({ to }) => to)).toEqual([1, 2]);
    expect(moves[1]!.atMs - moves[0]!.atMs).toBeGreaterThan(LIMITS.downAfterMs);
    expect(at).toBe(LAST);
  });

  test('up comes after all was well for long enough, and never above the best', () => {
    const { moves } = walk(every(1_000, 300, WELL), { at: 2, best: 1 });
    expect(moves).toEqual([{ atMs: 61_000, to: 1, cause: 'calm' }]);
  });

  test.each([
    ['a share', { ...WELL, fillShare: 0.4 }],
    ['heat', { ...WELL, celsius: 80 - CALM_BELOW_CELSIUS + 1 }],
  ])('neither way is made where %s is between its two limits', (_, facts) => {
    expect(walk(every(1_000, 600, facts), { at: 1 }).moves).toEqual([]);
  });

  test('is not made for heat where nobody tells of it, or no limit is known', () => {
    expect(walk(every(1_000, 60, { ...WELL, celsius: undefined })).moves).toEqual([]);
    const limits = { ...LIMITS, throttleAtCelsius: undefined };
    expect(walk(every(1_000, 60, { ...WELL, celsius: 120 }), { limits }).moves).toEqual([]);
  });
});

describe('a step up that does not last', () => {
  /** The upper rung is too slow: full as soon as it is at work. */
  function swing(looks: number) {
    let state = startDecision(LIMITS);
    let at = 1;
    const ups: number[] = [];
    for (let nowMs = 0; nowMs < looks * 1_000; nowMs += 1_000) {
      const facts = at === 0 ? FULL : WELL;
      const place = { at, best: 0, last: LAST };
      const decision = decide(state, facts, { limits: LIMITS, place, nowMs });
      state = decision.state;
      if (decision.move === undefined) continue;
      if (decision.move.to < at) ups.push(nowMs);
      at = decision.move.to;
    }
    return ups;
  }

  test('doubles the wait for the next one, up to its limit', () => {
    const ups = swing(3_000);
    const waits = ups.slice(1).map((atMs, index) => atMs - ups[index]!);
    expect(waits.length).toBeGreaterThan(4);
    const least = [120_000, 240_000, 480_000, 480_000, 480_000];
    for (const [index, wait] of waits.slice(0, 5).entries()) {
      expect(wait).toBeGreaterThanOrEqual(least[index]!);
      expect(wait).toBeLessThan(least[index]! + 15_000);
    }
  });

  test('is forgotten once a later one has lasted', () => {
    const failed = [...every(1_000, 62, WELL), ...every(1_000, 8, FULL)];
    const again = [...failed, ...every(1_000, 130, WELL)];
    expect(walk(again, { at: 1 }).moves.map(({ to }) => to)).toEqual([0, 1, 0]);
    const lasting = [...again, ...every(1_000, 130, WELL), ...every(1_000, 8, FULL)];
    const { moves, state } = walk([...lasting, ...every(1_000, 70, WELL)], { at: 1 });
    expect(moves.map(({ to }) => to)).toEqual([0, 1, 0, 1, 0]);
    expect(state.upWaitMs).toBe(LIMITS.upAfterMs);
  });
});

describe('whatever happens', () => {
  const share = fc.double({ min: 0, max: 1, noNaN: true });
  const facts = fc.record({
    celsius: fc.option(fc.integer({ min: 20, max: 110 }), { nil: undefined }),
    waitShare: share,
    fillShare: share,
    missedShare: share,
  });
  const state = fc.constantFrom(WELL, FULL, { ...WELL, celsius: 78 });
  const looks = fc
    .array(fc.tuple(fc.oneof(state, state, facts), fc.integer({ min: 1, max: 40_000 }), fc.nat(20)))
    .map((runs) => runs.flatMap(([fact, afterMs, count]) => every(afterMs, count + 1, fact)));

  test('no rung is skipped and no end passed', () => {
    fc.assert(
      fc.property(looks, fc.nat(LAST), fc.nat(LAST), (given, at, best) => {
        let before = Math.max(at, best);
        for (const { to } of walk(given, { at: before, best }).moves) {
          expect(Math.abs(to - before)).toBe(1);
          expect(to).toBeGreaterThanOrEqual(best);
          expect(to).toBeLessThanOrEqual(LAST);
          before = to;
        }
      }),
    );
  });

  test('no step comes sooner after another than its own hold time', () => {
    fc.assert(
      fc.property(looks, (given) => {
        const { moves } = walk(given);
        for (const [index, { atMs, cause }] of moves.entries()) {
          const sinceMs = atMs - (moves[index - 1]?.atMs ?? 0);
          expect(sinceMs).toBeGreaterThanOrEqual(
            cause === 'calm' ? LIMITS.upAfterMs : LIMITS.downAfterMs,
          );
        }
      }),
    );
  });

  test('a worse moment never leads to a step up, nor a better one to a step down', () => {
    const worse = fc.record({ fill: share, heat: fc.nat(30) });
    fc.assert(
      fc.property(looks, facts, worse, fc.nat(LAST), (given, fact, { fill, heat }, at) => {
        const { state: known } = walk(given, { at });
        const moment = { limits: LIMITS, place: { at, best: 0, last: LAST }, nowMs: 1e9 };
        const bad: LadderFacts = {
          celsius: fact.celsius === undefined ? undefined : fact.celsius + heat,
          waitShare: fact.waitShare,
          missedShare: fact.missedShare,
          fillShare: Math.max(fact.fillShare, fill),
        };
        const [to, toWhenWorse] = [fact, bad].map(
          (one) => decide(known, one, moment).move?.to ?? at,
        );
        expect(toWhenWorse).toBeGreaterThanOrEqual(to!);
      }),
    );
  });
});
