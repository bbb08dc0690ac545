import type { Dataset, Evaluated, EvaluatedEvent } from './dataset.ts';
import { compareWithMask, type Heatmap } from './mask.ts';
import {
  accuracy,
  auroc,
  confusionOf,
  f1,
  falseAlarmRate,
  macroF1,
  missedAlarmRate,
  percentile,
} from './metrics.ts';

/** Figures by name; those that do not apply are left out. */
export type Metrics = Readonly<Record<string, number>>;

/** The class of parts without a defect. */
const GOOD = 'free';

/** Computes what applies to the data's form; an event without a result counts as wrong. */
export async function scoreAll(
  form: Dataset['form'],
  evaluated: readonly Evaluated[],
): Promise<Metrics> {
  const counted = evaluated.filter(({ event }) => event.counted);
  const latencies = counted.flatMap(({ latencyMs }) => latencyMs ?? []);
  const metrics = {
    ...(form === 'series' ? scoreSeries(counted) : scoreClasses(counted)),
    ...(form === 'images' && scoreDefects(counted)),
    ...(form === 'images' && (await scoreMasks(counted))),
    latencyMsP50: percentile(latencies, 0.5),
    latencyMsP95: percentile(latencies, 0.95),
    unanswered: counted.filter(({ results }) => results.length === 0).length,
  };
  const finite = Object.entries(metrics).filter(([, value]) => Number.isFinite(value));
  return Object.fromEntries(finite.map(([name, value]) => [name, Number(value.toFixed(4))]));
}

/** The figure that stands for all: the share of right answers, or F1 where anomalies are sought. */
export const MAIN_METRIC = { clips: 'accuracy', images: 'accuracy', series: 'f1' } as const;

/** Whether an event was answered right; no answer is wrong. */
export function isRight(form: Dataset['form'], { event, results }: Evaluated): boolean {
  if (form !== 'series') return labelOf(results) === plain(String(event.truth));
  return anomalyOf(results) === (event.truth === true);
}

function scoreClasses(counted: readonly Evaluated[]): Record<string, number> {
  const answers = counted.map(({ event, results }) => ({
    truth: plain(String(event.truth)),
    said: labelOf(results),
  }));
  return { accuracy: accuracy(answers), macroF1: macroF1(answers) };
}

/** Over labelled files pooled, as SKAB tells it; where no file has labels, false alarms only. */
function scoreSeries(counted: readonly Evaluated[]): Record<string, number> {
  const labelled = counted.filter(({ event }) => event.truth !== undefined);
  const answers = (labelled.length > 0 ? labelled : counted).map(({ event, results }) => ({
    truth: event.truth === true,
    said: anomalyOf(results),
  }));
  const confusion = confusionOf(answers);
  const far = falseAlarmRate(confusion);
  return labelled.length > 0
    ? { f1: f1(confusion), far, mar: missedAlarmRate(confusion) }
    : { far };
}

function scoreDefects(counted: readonly Evaluated[]): Record<string, number> {
  const answers = counted.map(({ event, results }) => ({
    truth: event.truth !== GOOD,
    score: defectScoreOf(results[0]),
  }));
  return { auroc: auroc(answers) };
}

/** How well the heat map shows the defect, over the defects that have a mask. */
async function scoreMasks(counted: readonly Evaluated[]): Promise<Record<string, number>> {
  let hits = 0;
  let overlap = 0;
  let masks = 0;
  let maps = 0;
  for (const { event, results } of counted) {
    if (event.mask === undefined || event.truth === GOOD) continue;
    masks += 1;
    const heat = heatmapOf(results[0]);
    if (heat === undefined) continue;
    maps += 1;
    const { hit, iou } = await compareWithMask(heat, event.mask);
    hits += hit ? 1 : 0;
    overlap += iou;
  }
  // A flow without heat maps is not judged by them.
  return maps === 0 ? {} : { pixelHit: hits / masks, maskIou: overlap / masks };
}

/** The label of an event: of its parts, the surest says. */
export function labelOf(results: Evaluated['results']): string | undefined {
  let best: { label: string; score: number } | undefined;
  for (const { label, score } of results) {
    const sure = typeof score === 'number' ? score : 0;
    if (typeof label === 'string' && (best === undefined || sure > best.score)) {
      best = { label: plain(label), score: sure };
    }
  }
  return best?.label;
}

function anomalyOf(results: Evaluated['results']): boolean | undefined {
  const { anomaly } = results[0] ?? {};
  return typeof anomaly === 'boolean' ? anomaly : undefined;
}

/** How sure a result is of any defect: from the scores of all classes, else from its own label. */
export function defectScoreOf(
  result: Evaluated['results'][number] | undefined,
): number | undefined {
  if (result === undefined) return undefined;
  const { label, score, scores, top } = result;
  const good = scoreOfClass(scores, GOOD) ?? scoreOfClass(top, GOOD);
  if (good !== undefined) return 1 - good;
  if (typeof score !== 'number') return undefined;
  return label === GOOD ? 1 - score : score;
}

/** The score of a class in `{class: score}` or `[{label, score}]`. */
function scoreOfClass(scores: unknown, name: string): number | undefined {
  if (typeof scores !== 'object' || scores === null) return undefined;
  const found = Array.isArray(scores)
    ? scores.find((one: { label?: unknown } | null) => one?.label === name)?.score
    : (scores as Record<string, unknown>)[name];
  return typeof found === 'number' ? found : undefined;
}

function heatmapOf(result: Evaluated['results'][number] | undefined): Heatmap | undefined {
  const { width, height, numbers } = (result?.heatmap ?? {}) as Partial<Heatmap>;
  if (width === undefined || height === undefined || numbers === undefined) return undefined;
  return { width, height, numbers };
}

/** Labels are compared without the underscores that data sets put around some. */
function plain(label: string): string {
  return label.replace(/^_+|_+$/g, '');
}

/** The groups of the data, in order of appearance, each with its events. */
export function groupsOf(evaluated: readonly Evaluated[]): ReadonlyMap<string, Evaluated[]> {
  const groups = new Map<string, Evaluated[]>();
  for (const one of evaluated) {
    const { group }: EvaluatedEvent = one.event;
    groups.set(group, [...(groups.get(group) ?? []), one]);
  }
  return groups;
}
