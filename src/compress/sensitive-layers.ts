import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { OutputPart } from '../infer/protocol.ts';
import { encodeModel } from '../onnx/graph.ts';
import { placeOf } from '../onnx/names.ts';
import type { Model, Node } from '../onnx/proto.ts';
import { evenly } from '../std/evenly.ts';
import { createComparison } from './compare.ts';
import type { PassContext, Tally } from './pass.ts';
import { openForRuns } from './run-model.ts';

/** The outputs of a model for one sample after the other. */
export type Runs = readonly (readonly OutputPart[])[];

/** Each layer is tried alone, in a session of its own. */
const SAMPLES_MAX = 4;

export interface SensitiveOptions {
  readonly nodes: readonly Node[];
  /** The quantised model, without the layers that make these values. */
  readonly build: (left: ReadonlySet<string>) => Model;
  readonly context: PassContext;
  readonly sqnrDbMin: number;
}

/**
 * Which layers must stay as they are for the outputs to reach a signal-to-noise ratio: each is
 * quantised alone, and the noisiest are left, one more at a time. Gives the names of their outputs.
 */
export async function leaveSensitive(
  model: Model,
  { nodes, build, context, sqnrDbMin }: SensitiveOptions,
  tally: Tally,
): Promise<ReadonlySet<string>> {
  const samples = evenly(context.samples, SAMPLES_MAX);
  const reference = await outputsOf(model, { ...context, samples });
  const noiseOf = async (left: ReadonlySet<string>) => {
    const found = await outputsOf(build(left), { ...context, samples });
    return sqnrOf(reference, found);
  };
  const left = new Set<string>();
  if ((await noiseOf(left)) >= sqnrDbMin) return left;
  const names = nodes.map(({ outputs }) => outputs[0] ?? '');
  const ranked: { node: Node; name: string; sqnrDb: number }[] = [];
  for (const [at, node] of nodes.entries()) {
    const name = names[at]!;
    const others = new Set(names.filter((one) => one !== name));
    ranked.push({ node, name, sqnrDb: await noiseOf(others) });
  }
  ranked.sort((a, b) => a.sqnrDb - b.sqnrDb);
  for (const { node, name, sqnrDb } of ranked) {
    left.add(name);
    tally.left(placeOf(node), `sensitive: alone it gives ${sqnrDb.toFixed(1)} dB at the outputs`);
    if ((await noiseOf(left)) >= sqnrDbMin) break;
  }
  return left;
}

/** What a model gives for the samples. */
export async function outputsOf(model: Model, { samples, folder }: PassContext): Promise<Runs> {
  const file = join(folder, 'sensitive.onnx');
  await writeFile(file, encodeModel(model));
  await using running = await openForRuns(file, model.graph!);
  const runs: (readonly OutputPart[])[] = [];
  for (const sample of samples) runs.push(await running.run(sample));
  return runs;
}

/** Signal to noise of runs beside those they stand for, in decibels. */
export function sqnrOf(reference: Runs, found: Runs): number {
  const comparison = createComparison();
  for (const [run, outputs] of reference.entries()) {
    for (const [at, { data }] of outputs.entries()) {
      comparison.add(data, found[run]?.[at]?.data ?? []);
    }
  }
  return comparison.difference().sqnrDb;
}
