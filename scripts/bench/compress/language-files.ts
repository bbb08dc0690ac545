import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeModel } from '../../../src/onnx/graph.ts';
import { createLanguageModel, DISTILGPT2 } from '../../compress/language-model.ts';
import { type Official, type OfficialJob, quantiseOfficially } from '../peers/official.ts';
import { applyRecipe } from './apply-recipe.ts';
import type { CompressBench } from './section.ts';

/** One file of the language model, and how it was made. */
export interface LanguageFile {
  readonly name: string;
  readonly file: string;
  readonly bytes: number;
  readonly how: string;
}

/** The reference, and what the rows are held against. */
export const UNTIED = 'fp32, head of its own';
export const TIED = 'fp32, tied';
export const OFFICIAL = 'official int8, its default';

const RECIPES = ['language-int8', 'language-mixed', 'language-int4'];

const OFFICIAL_JOBS: readonly (readonly [string, OfficialJob])[] = [
  [OFFICIAL, { kind: 'dynamic', perChannel: false, signed: true, ...files('default') }],
  [
    'official int8, per channel',
    { kind: 'dynamic', perChannel: true, signed: true, ...files('per-channel') },
  ],
  ['official 4 bits, block 32', { kind: 'blocks', block: 32, symmetric: true, ...files('4-bits') }],
];

/** Makes the float model and all that is compressed from it, here and by the official tool. */
export async function makeLanguageFiles(
  bench: CompressBench,
): Promise<{ readonly made: readonly LanguageFile[]; readonly official: Official }> {
  const made: LanguageFile[] = [];
  const add = (name: string, file: string, how: string) =>
    made.push({ name, file, how, bytes: statSync(file).size });
  for (const head of ['untied', 'tied'] as const) {
    bench.say(`distilgpt2: writing the ${head} model`);
    const file = join(bench.folder, `${head}.onnx`);
    writeFileSync(file, encodeModel(createLanguageModel({ shape: DISTILGPT2, head })));
    add(head === 'untied' ? UNTIED : TIED, file, 'as exporters write it');
  }
  const from = join(bench.folder, 'untied.onnx');
  for (const recipe of RECIPES) {
    bench.say(`distilgpt2: ${recipe}`);
    const to = join(bench.folder, `${recipe}.onnx`);
    const { done } = await applyRecipe(from, to, { recipe });
    add(recipe, to, done);
  }
  bench.say('distilgpt2: the official tool');
  const jobs = OFFICIAL_JOBS.map(([, job]) => job);
  const official = await quantiseOfficially(bench.trixie, bench.folder, jobs);
  if (official.kind === 'absent') {
    bench.say(`SKIPPED: the official tool: ${official.reason}`);
    return { made, official };
  }
  for (const [name, job] of OFFICIAL_JOBS) {
    const failure = official.failures.get(job.to);
    if (failure === undefined) add(name, join(bench.folder, job.to), describe(job));
    else bench.say(`SKIPPED: ${name}: ${failure}`);
  }
  return { made, official };
}

function files(kind: string): { readonly from: string; readonly to: string } {
  return { from: 'untied.onnx', to: `official-${kind}.onnx` };
}

function describe(job: OfficialJob): string {
  if (job.kind === 'blocks') return `MatMul4BitsQuantizer, block ${job.block}, accuracy level 4`;
  if (job.kind === 'static') return `quantize_static, ${job.method}`;
  return `quantize_dynamic, per_channel=${job.perChannel}, QInt8`;
}
