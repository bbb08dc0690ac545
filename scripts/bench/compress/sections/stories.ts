import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileEntry } from '../../../../src/compress/passes.ts';
import { loadRecipe, parseRecipe, type Recipe } from '../../../../src/compress/recipe.ts';
import { randomOf } from '../../../../src/compress/sample-inputs.ts';
import { encodeModel } from '../../../../src/onnx/graph.ts';
import type { Model } from '../../../../src/onnx/proto.ts';
import { convertLlama } from '../../../compress/convert-llama2c.ts';
import { type DecoderOptions, openDecoder } from '../../../compress/decoder.ts';
import { runLlama } from '../../../compress/llama-reference.ts';
import { type Llama, parseLlama2c, parseTokens } from '../../../compress/llama2c.ts';
import { generateText, perplexityOf } from '../../../compress/perplexity.ts';
import { createRow, skippedRow } from '../../row.ts';
import type { CompressBench, SectionResult, Table } from '../section.ts';

const PLACE = 'models/stories260k';
/** The stored file has each matrix turned as often as there are layers; so it writes sentences. */
const TURNS = 5;
/** Recipes were chosen on texts of seeds from 101 on: these were not looked at. */
const SEEDS = Array.from({ length: 16 }, (_, at) => at + 1);
const TOKENS_MAX = 256;
const BEGIN = 1;
/** Tokens of the text on which the conversion is held against the plain forward pass. */
const COMPARED_TOKENS = 96;

/** Four bits for all feed-forward layers in small blocks: what so small a model bears. */
const SMALL_FOUR = `
description: Feed-forward layers in blocks of 16 numbers of 4 bits, the rest in 8.
passes:
  - fold: {}
  - fuse: {}
  - int4-block: { block: 16, only: ['*mlp*'], embeddings: false }
  - int8-dynamic: {}
  - share: {}
`;

/** A real language model, converted here: what compression costs it in perplexity. */
export async function measureStories(bench: CompressBench): Promise<SectionResult> {
  if (bench.data === undefined) {
    const reason = '../shared/data is not here';
    bench.say(`SKIPPED: stories260k: ${reason}`);
    return { rows: [skippedRow('stories260k: perplexity', '', reason)], tables: [] };
  }
  const folder = join(bench.data, PLACE);
  const llama = parseLlama2c(readFileSync(join(folder, 'stories260K.bin')), { turns: TURNS });
  const words = parseTokens(readFileSync(join(folder, 't260.bin')), llama.shape.vocabulary);
  const model = convertLlama(llama);
  const file = write(bench, 'stories.onnx', model);
  const options = decoderOptions(llama);
  await using decoder = await openDecoder(file, options);
  const texts: (readonly number[])[] = [];
  for (const seed of SEEDS) {
    const random = randomOf(seed);
    const { vocabulary } = llama.shape;
    const told = { vocabulary, begin: BEGIN, tokensMax: TOKENS_MAX, random };
    texts.push(await generateText(decoder, told));
  }
  const compared = texts[0]!.slice(0, COMPARED_TOKENS);
  decoder.reset();
  const difference = largest(runLlama(llama, compared), await decoder.step(compared));
  const plain = await perplexityOf(decoder, texts, llama.shape.vocabulary);
  const measured = await measureRecipes(bench, { model, texts, options, plain, llama });
  const count = texts.reduce((sum, text) => sum + text.length - 1, 0);
  const lines = [['fp32', kilobytes(file), '', plain.toFixed(3), '']];
  const rows = [
    createRow({
      name: 'stories260k: conversion against the plain forward pass',
      unit: 'largest difference of logits',
      ledge: difference,
      judged: 'ledge <=',
      target: 1e-4,
    }),
  ];
  for (const { name, bytes, perplexity, target } of measured) {
    const change = 100 * (perplexity / plain - 1);
    const smaller = statSync(file).size / bytes;
    lines.push([
      name,
      (bytes / 1000).toFixed(0),
      smaller.toFixed(2),
      perplexity.toFixed(3),
      `${change.toFixed(2)} %`,
    ]);
    const row = { name: `stories260k: perplexity, ${name}`, unit: '% above fp32', ledge: change };
    const note = `${plain.toFixed(3)} to ${perplexity.toFixed(3)} on ${count} tokens of its own`;
    rows.push(
      createRow({ ...row, note, ...(target !== undefined && { judged: 'ledge <=', target }) }),
    );
  }
  return { rows, tables: [tableOf(lines, { count, text: textOf(texts[0]!, words) })] };
}

interface Measuring {
  readonly model: Model;
  readonly texts: readonly (readonly number[])[];
  readonly options: DecoderOptions;
  readonly plain: number;
  readonly llama: Llama;
}

async function measureRecipes(bench: CompressBench, measuring: Measuring) {
  const small = parseRecipe(SMALL_FOUR, '4 bits, feed-forward layers in blocks of 16');
  const recipes: readonly (readonly [Recipe, number | undefined])[] = [
    [await loadRecipe('language-int8'), 1],
    [await loadRecipe('int8-block'), undefined],
    [await loadRecipe('language-mixed'), undefined],
    [small, 5],
    [await loadRecipe('language-int4'), undefined],
    [await loadRecipe('int4'), undefined],
  ];
  const measured = [];
  for (const [at, [recipe, target]] of recipes.entries()) {
    let model = measuring.model;
    for (const entry of recipe.passes) {
      const context = { samples: [], folder: bench.folder };
      model = (await compileEntry(entry)(model, context)).model;
    }
    const file = write(bench, `stories-${at}.onnx`, model);
    await using decoder = await openDecoder(file, measuring.options);
    const { texts, llama } = measuring;
    const perplexity = await perplexityOf(decoder, texts, llama.shape.vocabulary);
    measured.push({ name: recipe.name, bytes: statSync(file).size, perplexity, target });
  }
  return measured;
}

function decoderOptions({ shape }: Llama): DecoderOptions {
  const { layers, keyHeads, width, heads } = shape;
  return { cache: { layers, heads: keyHeads, size: width / heads }, threads: 1 };
}

function write(bench: CompressBench, name: string, model: Model): string {
  const file = join(bench.folder, name);
  writeFileSync(file, encodeModel(model));
  return file;
}

function tableOf(
  lines: readonly (readonly string[])[],
  { count, text }: { readonly count: number; readonly text: string },
): Table {
  return {
    title: 'stories260k, a real language model',
    how: `Converted from llama2.c's format by our own writer. Perplexity on ${count} tokens that the
float32 model wrote with seeds 1 to ${SEEDS.length}, drawn at
temperature 1; recipes were chosen on other seeds. It writes like this: "${text}"`,
    head: ['recipe', 'kB', 'smaller', 'perplexity', 'above fp32'],
    lines,
  };
}

/** The beginning of a text. */
function textOf(tokens: readonly number[], words: readonly string[]): string {
  const text = tokens.slice(1).map((token) => words[token] ?? '');
  const bytes = text.join('').replace(/<0x0A>/g, ' ');
  return `${bytes.trim().slice(0, 160)}...`;
}

function largest(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, at) => Math.max(most, Math.abs(value - b[at]!)), 0);
}

function kilobytes(file: string): string {
  return (statSync(file).size / 1000).toFixed(0);
}
