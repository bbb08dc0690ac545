/** Counts of a yes-or-no question asked of many events. */
export interface Confusion {
  readonly truePositive: number;
  readonly falsePositive: number;
  readonly trueNegative: number;
  readonly falseNegative: number;
}

/** Of a normal distribution, 95 in a hundred lie within so many standard deviations. */
const NORMAL_95 = 1.959964;

/** What was true of an event and what was said; undefined where nothing was said. */
export interface Answer<T> {
  readonly truth: T;
  readonly said: T | undefined;
}

/** The share of events that were answered right; no answer is wrong. NaN of nothing. */
export function accuracy<T>(answers: readonly Answer<T>[]): number {
  return answers.filter(({ truth, said }) => truth === said).length / answers.length;
}

/**
 * The range in which a share lies with 95 % confidence, where so many of `count` were right.
 * Source: Wilson's score interval (1927). The whole range where there is nothing to go by.
 */
export function wilsonInterval(right: number, count: number): readonly [number, number] {
  if (count === 0) return [0, 1];
  const share = right / count;
  const square = NORMAL_95 * NORMAL_95;
  const middle = share + square / (2 * count);
  const half = NORMAL_95 * Math.sqrt((share * (1 - share) + square / (4 * count)) / count);
  const whole = 1 + square / count;
  // The ends of the range are reached exactly: rounding must not pass them.
  return [Math.max(0, (middle - half) / whole), Math.min(1, (middle + half) / whole)];
}

/** The mean of the classes' F1, over the classes that are true of some event. NaN of nothing. */
export function macroF1(answers: readonly Answer<string>[]): number {
  const classes = [...new Set(answers.map(({ truth }) => truth))];
  const scores = classes.map((name) =>
    f1(
      confusionOf(
        answers.map(({ truth, said }) => ({ truth: truth === name, said: said === name })),
      ),
    ),
  );
  return scores.reduce((sum, score) => sum + score, 0) / scores.length;
}

/** Counts answers; no answer counts as the wrong one. */
export function confusionOf(answers: readonly Answer<boolean>[]): Confusion {
  const count = (truth: boolean, said: boolean) =>
    answers.filter((answer) => answer.truth === truth && (answer.said ?? !truth) === said).length;
  return {
    truePositive: count(true, true),
    falsePositive: count(false, true),
    trueNegative: count(false, false),
    falseNegative: count(true, false),
  };
}

/** Harmonic mean of precision and recall, 0..1; 0 where nothing was found. */
export function f1({ truePositive, falsePositive, falseNegative }: Confusion): number {
  const all = 2 * truePositive + falsePositive + falseNegative;
  return all === 0 ? 0 : (2 * truePositive) / all;
}

/** False alarms per normal event, in percent, as SKAB tells it. NaN without normal events. */
export function falseAlarmRate({ falsePositive, trueNegative }: Confusion): number {
  return (100 * falsePositive) / (falsePositive + trueNegative);
}

/** Missed alarms per anomalous event, in percent, as SKAB tells it. NaN without anomalies. */
export function missedAlarmRate({ falseNegative, truePositive }: Confusion): number {
  return (100 * falseNegative) / (falseNegative + truePositive);
}

/**
 * The probability that a positive event scores higher than a negative one, ties counting half.
 * No score is the worst one for its event. NaN without both kinds.
 * Source: Mann-Whitney U by midranks (Hanley and McNeil, 1982).
 */
export function auroc(answers: readonly { truth: boolean; score: number | undefined }[]): number {
  const scored = answers
    .map(({ truth, score }) => ({
      truth,
      score: score ?? (truth ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY),
    }))
    .sort((a, b) => (a.score < b.score ? -1 : a.score > b.score ? 1 : 0));
  const positives = scored.filter(({ truth }) => truth).length;
  let rankSum = 0;
  for (let from = 0; from < scored.length; ) {
    let to = from;
    while (to < scored.length && scored[to]!.score === scored[from]!.score) to += 1;
    const rank = (from + 1 + to) / 2;
    for (let at = from; at < to; at += 1) if (scored[at]!.truth) rankSum += rank;
    from = to;
  }
  const negatives = scored.length - positives;
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}

/** The value that `share` (0..1) of all values do not exceed; NaN of nothing. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** How far two sets of cells agree: intersection over union, 0..1. 1 of two empty ones. */
export function intersectionOverUnion(a: readonly boolean[], b: readonly boolean[]): number {
  let both = 0;
  let either = 0;
  a.forEach((inA, index) => {
    const inB = b[index] === true;
    if (inA && inB) both += 1;
    if (inA || inB) either += 1;
  });
  return either === 0 ? 1 : both / either;
}
