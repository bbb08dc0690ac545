import type { RungChange } from '../flow/ladder.ts';

/** How a flow does at one moment. */
export interface LadderFacts {
  /** Of the hottest zone; undefined where the machine tells of none. */
  readonly celsius: number | undefined;
  /** Of the deadline, how much the first event of the queue has waited; 0 without a deadline. */
  readonly waitShare: number;
  /** Of what may wait, how much does. */
  readonly fillShare: number;
  /** Of the events that ended lately, how many missed the deadline. */
  readonly missedShare: number;
}

/** Every limit decided. */
export interface DecisionLimits {
  /** Undefined: heat does not count. */
  readonly throttleAtCelsius: number | undefined;
  readonly waitShareMax: number;
  readonly fillShareMax: number;
  readonly missedShareMax: number;
  readonly downAfterMs: number;
  readonly upAfterMs: number;
  readonly upAfterMsMax: number;
}

/** Where a ladder stands: places count from the most accurate rung down. */
export interface LadderPlace {
  readonly at: number;
  /** Not above this one. */
  readonly best: number;
  readonly last: number;
}

/** What is remembered between two looks; times are those of the monotonic clock. */
export interface DecisionState {
  readonly pressedSinceMs: number | undefined;
  readonly calmSinceMs: number | undefined;
  /** How long all must be well before the next step up. */
  readonly upWaitMs: number;
  /** The last step up, as long as it may turn out to have been too early. */
  readonly climbedAtMs: number | undefined;
}

/** What to do, and what to remember. */
export interface Decision {
  readonly state: DecisionState;
  readonly move: { readonly to: number; readonly why: RungChange } | undefined;
}

/** Shares count as calm again at this part of their limit: in between nothing changes. */
export const CALM_PART = 0.5;
/** And heat this far below its limit: a board cools by some degrees as soon as it has less to do. */
export const CALM_BELOW_CELSIUS = 5;

/** A ladder that was not looked at yet. */
export function startDecision({ upAfterMs }: Pick<DecisionLimits, 'upAfterMs'>): DecisionState {
  return fresh(upAfterMs);
}

/**
 * Decides about one step: down where a limit was passed at every look for `downAfterMs`, up where all
 * was well at every look for `upAfterMs`. A step up that is taken back within that time doubles it,
 * up to `upAfterMsMax`; one that lasts sets it back.
 */
export function decide(
  before: DecisionState,
  facts: LadderFacts,
  { limits, place, nowMs }: { limits: DecisionLimits; place: LadderPlace; nowMs: number },
): Decision {
  const pressure = pressureOf(facts, limits);
  const lasted = before.climbedAtMs !== undefined && nowMs - before.climbedAtMs >= before.upWaitMs;
  const climbedAtMs = lasted ? undefined : before.climbedAtMs;
  const upWaitMs = lasted ? limits.upAfterMs : before.upWaitMs;
  const pressedSinceMs = pressure && (before.pressedSinceMs ?? nowMs);
  const calmSinceMs = isCalm(facts, limits) ? (before.calmSinceMs ?? nowMs) : undefined;
  const { at, best, last } = place;
  if (pressure && at < last && nowMs - (pressedSinceMs ?? nowMs) >= limits.downAfterMs) {
    const longer = Math.min(2 * upWaitMs, Math.max(limits.upAfterMsMax, limits.upAfterMs));
    const state = fresh(climbedAtMs === undefined ? upWaitMs : longer);
    return { state, move: { to: at + 1, why: pressure } };
  }
  if (calmSinceMs !== undefined && at > best && nowMs - calmSinceMs >= upWaitMs) {
    const detail = `well for ${Math.round((nowMs - calmSinceMs) / 100) / 10} s`;
    const state = { ...fresh(upWaitMs), climbedAtMs: nowMs };
    return { state, move: { to: at - 1, why: { cause: 'calm', detail } } };
  }
  return { state: { pressedSinceMs, calmSinceMs, upWaitMs, climbedAtMs }, move: undefined };
}

/** After a step everything must hold anew. */
function fresh(upWaitMs: number): DecisionState {
  return { pressedSinceMs: undefined, calmSinceMs: undefined, upWaitMs, climbedAtMs: undefined };
}

/** The first limit that is passed, with its figures. */
function pressureOf(facts: LadderFacts, limits: DecisionLimits): RungChange | undefined {
  const { celsius = Number.NEGATIVE_INFINITY, waitShare, fillShare, missedShare } = facts;
  const { throttleAtCelsius: hot = Number.POSITIVE_INFINITY } = limits;
  if (celsius >= hot) return { cause: 'heat', detail: `${celsius} °C, limit ${hot} °C` };
  if (missedShare > limits.missedShareMax) {
    return passed('deadlines', 'of the events missed theirs', missedShare, limits.missedShareMax);
  }
  if (waitShare > limits.waitShareMax) {
    return passed('queue', 'of the deadline waited', waitShare, limits.waitShareMax);
  }
  if (fillShare > limits.fillShareMax) {
    return passed('queue', 'of the queue filled', fillShare, limits.fillShareMax);
  }
  return undefined;
}

function passed(cause: string, what: string, share: number, limit: number): RungChange {
  const percent = (part: number) => `${Math.round(part * 1e3) / 10} %`;
  return { cause, detail: `${percent(share)} ${what}, limit ${percent(limit)}` };
}

function isCalm(facts: LadderFacts, limits: DecisionLimits): boolean {
  const { celsius = Number.NEGATIVE_INFINITY, waitShare, fillShare, missedShare } = facts;
  const { throttleAtCelsius: hot = Number.POSITIVE_INFINITY } = limits;
  return (
    celsius <= hot - CALM_BELOW_CELSIUS &&
    waitShare <= limits.waitShareMax * CALM_PART &&
    fillShare <= limits.fillShareMax * CALM_PART &&
    missedShare <= limits.missedShareMax * CALM_PART
  );
}
