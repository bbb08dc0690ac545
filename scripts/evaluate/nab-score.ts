/** A file of the Numenta Anomaly Benchmark with what a detector said of each of its rows. */
export interface NabSeries {
  readonly name: string;
  /** How anomalous each row is; any scale that all files share. */
  readonly scores: Float64Array; // [rows]
  /** First and last row of each labelled window, both inside it, in order. */
  readonly windows: readonly (readonly [first: number, last: number])[];
}

/** What a true positive, a false positive and a missed window weigh. */
export interface NabProfile {
  readonly truePositive: number;
  readonly falsePositive: number;
  readonly missed: number;
}

/** The standard profile [Lavin and Ahmad 2015, table 1]. */
export const STANDARD_PROFILE: NabProfile = { truePositive: 1, falsePositive: 0.11, missed: 1 };

/** Rows at the start of a file that count for nothing, as a part of it. */
const PROBATION_PART = 0.15;
/** Longer files have no longer probation than a file of so many rows. */
const PROBATION_ROWS_MAX = 5000;
/** A false positive this many window widths behind the window weighs in full. */
const FAR_BEHIND = 3;

/** What one threshold gives over some files: raw, and on the scale of null (0) and perfect (100). */
export interface NabScore {
  /** Rows that score at least this are detections; infinite: no row is. */
  readonly threshold: number;
  readonly raw: number;
  readonly normalised: number;
}

/** How many rows of a file of that length are not scored. */
export function probationRows(rows: number): number {
  return Math.floor(PROBATION_PART * Math.min(rows, PROBATION_ROWS_MAX));
}

/**
 * The threshold that scores best over all files together, as the benchmark chooses it.
 * Source: Lavin and Ahmad, Evaluating real-time anomaly detection algorithms (2015), section II.
 */
export function bestThreshold(
  files: readonly NabSeries[],
  profile: NabProfile = STANDARD_PROFILE,
): NabScore {
  const points = files.flatMap((file, at) => pointsOf(file, at, profile));
  points.sort((a, b) => b.score - a.score);
  const found = new Map<string, number>();
  let raw = nullScore(files, profile);
  let best = { threshold: Number.POSITIVE_INFINITY, raw };
  points.forEach((point, at) => {
    raw += take(point, found, profile);
    if (points[at + 1]?.score === point.score) return;
    if (raw > best.raw) best = { threshold: point.score, raw };
  });
  return { ...best, normalised: normalise(best.raw, files, profile) };
}

/** What a given threshold scores over some files. */
export function scoreAtThreshold(
  files: readonly NabSeries[],
  threshold: number,
  profile: NabProfile = STANDARD_PROFILE,
): NabScore {
  const found = new Map<string, number>();
  let raw = nullScore(files, profile);
  for (const point of files.flatMap((file, at) => pointsOf(file, at, profile))) {
    if (point.score >= threshold) raw += take(point, found, profile);
  }
  return { threshold, raw, normalised: normalise(raw, files, profile) };
}

/** One scored row: what it adds as a detection, and the window it lies in. */
interface Point {
  readonly score: number;
  readonly weight: number;
  readonly window: string | undefined;
}

/** What one more detection changes: of a window only the best one counts. */
function take(point: Point, found: Map<string, number>, { missed }: NabProfile): number {
  if (point.window === undefined) return point.weight;
  const before = found.get(point.window) ?? -missed;
  const after = Math.max(before, point.weight);
  found.set(point.window, after);
  return after - before;
}

function pointsOf({ scores, windows }: NabSeries, file: number, profile: NabProfile): Point[] {
  const points: Point[] = [];
  let next = 0;
  for (let row = 0; row < scores.length; row++) {
    while (next < windows.length && (windows[next] as readonly [number, number])[1] < row) next++;
    if (row < probationRows(scores.length)) continue;
    const current = windows[next];
    const inside = current !== undefined && row >= current[0];
    const score = scores[row] as number;
    const weight = inside
      ? insideWeight(row, current, profile)
      : outsideWeight(row, windows[next - 1], profile);
    points.push({ score, weight, window: inside ? `${file}:${next}` : undefined });
  }
  return points;
}

/** The earlier in its window, the more: 1 for the first row. */
function insideWeight(
  row: number,
  [first, last]: readonly [number, number],
  { truePositive }: NabProfile,
): number {
  const position = -(last - row + 1) / (last - first + 1);
  return (truePositive * scaledSigmoid(position)) / scaledSigmoid(-1);
}

/** The nearer behind a window, the less a false positive costs. */
function outsideWeight(
  row: number,
  before: readonly [number, number] | undefined,
  { falsePositive }: NabProfile,
): number {
  const position = before === undefined ? FAR_BEHIND : (row - before[1]) / (before[1] - before[0]);
  return falsePositive * scaledSigmoid(position);
}

/** 1 far before the end of a window, 0 at its end, -1 far behind it. */
export function scaledSigmoid(position: number): number {
  return position >= FAR_BEHIND ? -1 : 2 / (1 + Math.exp(5 * position)) - 1;
}

/** Windows that have a row to be found at. */
function windowCount(files: readonly NabSeries[]): number {
  return files.reduce(
    (sum, { scores, windows }) =>
      sum + windows.filter(([, last]) => last >= probationRows(scores.length)).length,
    0,
  );
}

function nullScore(files: readonly NabSeries[], { missed }: NabProfile): number {
  return -missed * windowCount(files);
}

/** A detector that says nothing has 0, one that finds every window at its first row 100. */
function normalise(raw: number, files: readonly NabSeries[], profile: NabProfile): number {
  const none = nullScore(files, profile);
  const perfect = profile.truePositive * windowCount(files);
  return perfect === none ? Number.NaN : (100 * (raw - none)) / (perfect - none);
}
