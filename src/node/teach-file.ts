import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { momentsOfBackground } from '../teach/background.ts';
import { encodeTaught } from '../teach/frozen.ts';
import { type LearnedLabel, type Lessoned, learnLabels } from '../teach/learn.ts';
import { type Moments, momentsOf } from '../teach/moments.ts';
import { readBackground } from '../teach/versions.ts';
import { type FeatureReader, openFeatures } from './features.ts';
import type { Shown } from './lessons.ts';
import type { Bench } from './record-runs.ts';

/** One file of a model, as its manifest names it. */
export interface ModelFileName {
  readonly file: string;
  readonly sha256: string;
}

export interface TeachFileOptions {
  readonly pool: Bench['pool'];
  readonly folder: string;
  readonly scratch: string;
  /** The labels that the model was trained on. */
  readonly known: readonly string[];
  /** Labels that were taught, with the features of earlier examples by this file. */
  readonly before: readonly Lessoned[];
  readonly label: string;
  readonly shown: readonly Shown[];
  /** Events of other labels. */
  readonly others: readonly Shown[];
}

/** A model's file with all that was taught. */
export interface TaughtFile {
  readonly sha256: string;
  readonly bytes: Uint8Array;
  readonly learned: readonly LearnedLabel[];
  /** Of the label's examples, earlier ones first. */
  readonly features: readonly Float64Array[];
  readonly solveMs: number;
}

/** Learns all taught labels on the features of one file. Throws `unsupported`, `value-invalid`. */
export async function teachFile(
  { file, sha256 }: ModelFileName,
  options: TeachFileOptions,
): Promise<TaughtFile> {
  const { folder, known, before, label, shown } = options;
  const path = join(folder, file);
  await using reader = await openFeatures({ ...options, file: path, labels: known.length });
  const rows: Float64Array[] = [];
  for (const { inputs } of shown) rows.push((await reader.read(inputs)).features);
  const earlier = before.find((one) => one.label === label)?.features ?? [];
  const features = [...earlier, ...rows];
  const rest = before.filter((one) => one.label !== label);
  const background = await backgroundOf(reader, sha256, options);
  const startedMs = performance.now();
  const learned = learnLabels([...rest, { label, features }], background);
  const solveMs = performance.now() - startedMs;
  const added = learned.map(({ row }) => row);
  const bytes = await encodeTaught(path, known.length, added);
  const made = createHash('sha256').update(bytes).digest('hex');
  return { sha256: made, bytes, learned, features, solveMs };
}

/** What is known of the trained labels: moments that came with the flow, and events that are at hand. */
async function backgroundOf(
  reader: FeatureReader,
  sha256: string,
  { folder, others, known }: TeachFileOptions,
): Promise<readonly Moments[]> {
  const kept = await readBackground(folder, sha256);
  const groups = await groupByLabel(reader, others, known);
  const own = [...groups.values()].map(momentsOf);
  return kept === undefined ? own : [...momentsOfBackground(kept), ...own];
}

/** Features of events, by the label that the model gives them. */
export async function groupByLabel(
  reader: FeatureReader,
  events: readonly Shown[],
  known: readonly string[],
): Promise<ReadonlyMap<string, Float64Array[]>> {
  const groups = new Map<string, Float64Array[]>();
  for (const { inputs } of events) {
    const { features, scores } = await reader.read(inputs);
    const label = known[scores.indexOf(Math.max(...scores))] ?? '';
    groups.set(label, [...(groups.get(label) ?? []), features]);
  }
  return groups;
}
