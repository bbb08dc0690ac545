import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { openWorkbench, type Workbench } from '../../../src/cli/flow-folder.ts';
import { loadModel } from '../../../src/models/store.ts';
import { loadConfig } from '../../../src/node/config-load.ts';
import { type FeatureReader, openFeatures } from '../../../src/node/features.ts';
import { type Lessons, openLessons } from '../../../src/node/lessons.ts';
import { groupByLabel } from '../../../src/node/teach-file.ts';
import { packagePath } from '../../../src/std/package.ts';
import { momentsOfBackground } from '../../../src/teach/background.ts';
import { learnLabels } from '../../../src/teach/learn.ts';
import { type Moments, momentsOf } from '../../../src/teach/moments.ts';
import { readBackground } from '../../../src/teach/versions.ts';
import { createRandom } from '../../fixtures/rendered-tile.ts';
import type { TeachEvent, TeachSet } from './teach-sets.ts';

/** How many examples are given. */
export const EXAMPLES = [2, 5, 10, 20] as const;
/** Draws of the examples of each label: each draw is another person's choice. */
const DRAWS = 10;

/** How one label more does, in the mean over labels and draws. */
export interface TeachRow {
  readonly set: string;
  readonly examples: number;
  /** Share of events from sources that did not teach that are told. */
  readonly recall: number;
  readonly recallCount: number;
  /** Share of events of the model's own labels that become the new one. */
  readonly taken: number;
  readonly takenCount: number;
  /** The same of events of other labels that were never trained on or taught. */
  readonly strangers: number;
  readonly strangersCount: number;
  /** What leaving one example out foretold of the recall. */
  readonly foretold: number;
  readonly solveMs: number;
}

interface Source {
  readonly source: string;
  readonly features: Float64Array;
}

/** Learns each label of a set alone, from few examples, again and again. */
export async function measureTeach(
  set: TeachSet,
  known: readonly Uint8Array[],
): Promise<readonly TeachRow[]> {
  const config = await loadConfig({ environment: {}, set: [], options: [] });
  await using workbench = await openWorkbench(config);
  const folder = packagePath('flows', set.flow);
  const scratch = await mkdtemp(join(tmpdir(), 'ledge-teach-'));
  try {
    await using lessons = await openLessons(folder, workbench);
    const { reader, background } = await openModel({ folder, scratch, workbench, lessons });
    const labels = new Map<string, readonly Source[]>();
    for (const [label, events] of set.labels) {
      labels.set(label, await readAll(events, { lessons, reader }));
    }
    const events = known.map((payload) => ({ source: '', payload }));
    const own = await readAll(events, { lessons, reader });
    await reader[Symbol.asyncDispose]();
    return EXAMPLES.map((count) => measureRow(set, count, { labels, own, background }));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function openModel({
  folder,
  scratch,
  workbench,
  lessons,
}: {
  readonly folder: string;
  readonly scratch: string;
  readonly workbench: Workbench;
  readonly lessons: Lessons;
}) {
  const model = await loadModel(join(folder, 'model.yaml'));
  const known = model.labels ?? [];
  const { file, sha256 } = model;
  const { pool } = workbench;
  const reader = await openFeatures({ pool, file, labels: known.length, scratch });
  const kept = await readBackground(dirname(file), sha256);
  const tests = await groupByLabel(reader, await lessons.tests(), known);
  const own = [...tests.values()].map(momentsOf);
  const background = kept === undefined ? own : [...momentsOfBackground(kept), ...own];
  return { reader, background };
}

async function readAll(
  events: readonly TeachEvent[],
  { lessons, reader }: { readonly lessons: Lessons; readonly reader: FeatureReader },
): Promise<readonly Source[]> {
  const found: Source[] = [];
  for (const { source, payload } of events) {
    const [shown] = await lessons.examples([{ name: source, payload }]);
    if (shown === undefined) continue;
    found.push({ source, features: (await reader.read(shown.inputs)).features });
  }
  return found;
}

interface Measured {
  readonly labels: ReadonlyMap<string, readonly Source[]>;
  readonly own: readonly Source[];
  readonly background: readonly Moments[];
}

function measureRow(set: TeachSet, count: number, measured: Measured): TeachRow {
  const { labels, own, background } = measured;
  const totals = { recall: [0, 0], taken: [0, 0], strangers: [0, 0], foretold: [0, 0] };
  const add = (of: keyof typeof totals, hits: number, all: number) => {
    totals[of][0]! += hits;
    totals[of][1]! += all;
  };
  let solveMs = 0;
  for (const [label, events] of labels) {
    const teaching = events.filter(({ source }) => set.teaches(source));
    const judging = events.filter(({ source }) => !set.teaches(source));
    const strangers = [...labels].flatMap(([other, all]) => (other === label ? [] : all));
    for (let draw = 0; draw < DRAWS; draw += 1) {
      const examples = drawn(teaching, count, draw + 1).map(({ features }) => features);
      const startedMs = performance.now();
      const [learned] = learnLabels([{ label, features: examples }], background);
      solveMs += performance.now() - startedMs;
      if (learned === undefined) continue;
      const hits = (of: readonly Source[]) =>
        of.filter(({ features }) => marginOf(learned.row, features) > 0).length;
      add('recall', hits(judging), judging.length);
      add('taken', hits(own), own.length);
      add('strangers', hits(strangers), strangers.length);
      add('foretold', learned.recognised, learned.of);
    }
  }
  const share = ([hits = 0, all = 0]: readonly number[]) => hits / Math.max(1, all);
  return {
    set: set.name,
    examples: count,
    recall: share(totals.recall),
    recallCount: (totals.recall[1] ?? 0) / DRAWS,
    taken: share(totals.taken),
    takenCount: own.length,
    strangers: share(totals.strangers),
    strangersCount: (totals.strangers[1] ?? 0) / DRAWS / labels.size,
    foretold: share(totals.foretold),
    solveMs: solveMs / DRAWS / labels.size,
  };
}

function drawn<T>(items: readonly T[], count: number, seed: number): readonly T[] {
  const random = createRandom(seed);
  return items
    .map((item) => ({ item, key: random() }))
    .sort((a, b) => a.key - b.key)
    .slice(0, count)
    .map(({ item }) => item);
}

function marginOf(
  { weights, bias }: { readonly weights: Float64Array; readonly bias: number },
  features: Float64Array,
): number {
  return features.reduce((sum, value, at) => sum + value * (weights[at] ?? 0), bias);
}
