import { readFile } from 'node:fs/promises';
import { LedgeError } from '../std/error.ts';
import { z } from '../std/schema.ts';
import { formatProblem, parseWith, parseYaml } from '../std/yaml.ts';
import { passEntrySchema } from './passes.ts';

/** A recipe is a handful of passes; more is a mistake in a generated file. */
const PASSES_MAX = 32;
/** Samples are all kept in memory, with what every layer makes of them. */
const SAMPLES_MAX = 256;
const SAMPLES = 8;

const range = z.strictObject({ min: z.number(), max: z.number() });

/** The schema of a recipe's file. */
export const recipeSchema = z.strictObject({
  description: z.string().default('').describe('What the recipe is for.'),
  passes: z
    .array(passEntrySchema)
    .max(PASSES_MAX)
    .describe('What is done, in this order: one pass with its configuration each.'),
  chunk: z
    .strictObject({
      megabytesMax: z.number().positive().max(1024).describe('Size of one file of weights.'),
    })
    .optional()
    .describe('Weights in files of their own, each with its SHA-256 in the report.'),
  samples: z
    .strictObject({
      count: z.int().min(1).max(SAMPLES_MAX).default(SAMPLES).describe('How many are made.'),
      seed: z.int().min(1).default(1).describe('The same seed gives the same numbers.'),
      sizes: z
        .record(z.string(), z.int().min(0).max(1_000_000))
        .default({})
        .describe('Sizes of free dimensions, by symbol or as `input.axis`; others are 1.'),
      ranges: z
        .record(z.string(), range)
        .default({})
        .describe('Range of an input; others are -1 to 1, or 0 to 1 for whole numbers.'),
    })
    .prefault({})
    .describe('Inputs to measure with, where no recorded ones are given.'),
  accept: z
    .strictObject({
      sqnrDbMin: z
        .number()
        .default(0)
        .describe('A result whose outputs have more noise than this is not written.'),
    })
    .prefault({})
    .describe('What a result must reach.'),
});

export type Recipe = z.output<typeof recipeSchema> & { readonly name: string };

/** A lossless start: what is left afterwards is what the quantising passes look at. */
const CLEAN = [{ fold: {} }, { fuse: {} }];

/** Exporters write a head that is its embedding a second time. */
const TIED = [...CLEAN, { share: { turned: true } }];
/** What published models call the products that make a feed-forward layer wide. */
const WIDENING = '*c_fc* *fc1* *up_proj* *gate_proj* *intermediate* *w1* *w3*'.split(' ');
/** And those of attention: few numbers, and what they get wrong is mixed into every token. */
const ATTENTION = '*attn* *attention*'.split(' ');

const NAMED: Readonly<Record<string, z.input<typeof recipeSchema>>> = {
  clean: {
    description: 'The same function with fewer nodes and constants.',
    passes: [...CLEAN, { share: {} }],
  },
  int8: {
    description: 'MatMul and Gemm in 8 bits, inputs quantised as they come.',
    passes: [...CLEAN, { 'int8-dynamic': {} }, { share: {} }],
  },
  'int8-static': {
    description: 'Conv, MatMul and Gemm nets in 8 bits, ranges from samples: give a flow.',
    passes: [...CLEAN, { 'int8-static': {} }, { share: {} }],
  },
  'int8-block': {
    description: 'Weights of MatMul, Gemm and embeddings in blocks of 8 bits.',
    passes: [...CLEAN, { 'int8-block': {} }, { share: {} }],
  },
  int4: {
    description: 'Weights of MatMul, Gemm and embeddings in blocks of 4 bits.',
    passes: [...CLEAN, { 'int4-block': {} }, { share: {} }],
  },
  'language-int8': {
    description: 'A language model in 8 bits, its table stored once with the head.',
    passes: [...TIED, { 'int8-dynamic': {} }, { share: {} }],
  },
  'language-mixed': {
    description: 'The same with the first products of feed-forward layers in 4 bits.',
    passes: [
      ...TIED,
      { 'int4-block': { block: 32, only: [...WIDENING], embeddings: false } },
      { 'int8-dynamic': {} },
      { share: {} },
    ],
  },
  'language-int4': {
    description: 'A language model in blocks of 4 bits, its products of attention in 8.',
    passes: [
      ...TIED,
      { 'int4-block': { block: 32, exclude: [...ATTENTION] } },
      { 'int8-dynamic': {} },
      { share: {} },
    ],
  },
  fp16: {
    description: 'Weights in float16, made float32 again at load.',
    passes: [...CLEAN, { fp16: {} }, { share: {} }],
  },
  prune: {
    description:
      'Channels, heads and FFN columns for 40 % of the parameters gone: fine-tune after it.',
    // First: prune.json names the weights as the file did, and folding renames them.
    passes: [{ prune: {} }, ...CLEAN, { share: {} }],
    // Without fine-tuning a pruned model is another function.
    accept: { sqnrDbMin: -40 },
  },
};

/** The recipes that have names, each with one sentence. */
export function listRecipes(): readonly { readonly name: string; readonly description: string }[] {
  return Object.entries(NAMED).map(([name, { description = '' }]) => ({ name, description }));
}

/** A recipe by its name, or the file of one. Throws `config-invalid` with all problems. */
export async function loadRecipe(given: string): Promise<Recipe> {
  const named = Object.hasOwn(NAMED, given) ? NAMED[given] : undefined;
  if (named !== undefined) return { name: given, ...recipeSchema.parse(named) };
  const text = await readFile(given, 'utf8').catch((cause: unknown) => {
    const known = Object.keys(NAMED).join(', ');
    const message = `There is no recipe "${given}": neither a file nor one of ${known}`;
    throw new LedgeError('not-found', message, { cause });
  });
  return parseRecipe(text, given);
}

/** A recipe as its file: JSON, which is YAML. Its name is the file's. */
export function recipeText({ name: _, ...recipe }: Recipe): string {
  return `${JSON.stringify(recipe, null, 2)}\n`;
}

/** Parses the text of a recipe. Throws `config-invalid` with all problems. */
export function parseRecipe(text: string, file: string): Recipe {
  const yaml = parseYaml(text, file);
  const parsed = yaml.kind === 'ok' ? parseWith(recipeSchema, yaml.value) : yaml;
  if (parsed.kind === 'ok')
    return { name: file, ...(parsed.value as z.output<typeof recipeSchema>) };
  const problems = parsed.problems.map(formatProblem);
  throw new LedgeError('config-invalid', `Cannot read the recipe: ${problems.join('; ')}`, {
    context: { file, problems },
  });
}
