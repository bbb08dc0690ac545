import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { applyRecipe, openSource } from '../../../src/compress/apply-recipe.ts';
import { precisionOf } from '../../../src/compress/precision.ts';
import type { Recipe } from '../../../src/compress/recipe.ts';
import { PLAIN_SAMPLES, randomOf, sampleInputs } from '../../../src/compress/sample-inputs.ts';
import {
  candidateRecipes,
  type RecipeBase,
} from '../../../src/compress/search/candidate-recipes.ts';
import { rankLayers } from '../../../src/compress/search/layer-ranking.ts';
import type { Candidate } from '../../../src/compress/search/measure-candidate.ts';
import { mixPrecisions } from '../../../src/compress/search/mixed-precision.ts';
import { outputsOf, sqnrOf } from '../../../src/compress/sensitive-layers.ts';
import { encodeModel } from '../../../src/onnx/graph.ts';
import { model, modelBytes, node, valueInfo, weights } from '../../fixtures/onnx-models.ts';

const LAYERS = 6;
const WIDTH = 64;
/** What mixing looks at. */
const MIXED = /^clean$|^int8-static min-max$|^int8-block$|^int4 block 32$/;

const folder = mkdtempSync(join(tmpdir(), 'ledge-mixed-'));
afterAll(() => rm(folder, { recursive: true }));
const signal = new AbortController().signal;
const base: RecipeBase = { narrow: false, half: false };

/** Six products one after the other; the third has few weights that are far larger than its others. */
function writeModel(): string {
  const names = Array.from({ length: LAYERS }, (_, at) => `layer${at}`);
  const initializers = names.map((name, at) => {
    const random = randomOf(at + 1);
    const outlier = (place: number) => (at === 2 && place % 31 === 0 ? 20 : 1);
    const data = new Float32Array(WIDTH * WIDTH).map(
      (_, place) => outlier(place) * (random() - 0.5) * 0.4,
    );
    return { ...weights(name, [WIDTH, WIDTH]), rawData: new Uint8Array(data.buffer) };
  });
  const nodes = names.flatMap((name, at) => [
    node('MatMul', [[at === 0 ? 'x' : `r${at - 1}`, name], [`h${at}`]], { name }),
    node('Relu', [[`h${at}`], [at === LAYERS - 1 ? 'y' : `r${at}`]]),
  ]);
  const ends = {
    inputs: [valueInfo('x', 'float32', [1, WIDTH])],
    outputs: [valueInfo('y', 'float32', [1, WIDTH])],
  };
  const file = join(folder, 'six.onnx');
  writeFileSync(file, modelBytes(model({ nodes, initializers, ...ends })));
  return file;
}

/** Measures noise and size alone, and gives what the mixing asked for. */
async function mix(sqnrDbMin: number) {
  const source = await openSource(writeModel());
  const samples = [1, 2, 3, 4].map((seed) =>
    sampleInputs(source.graph, { ...PLAIN_SAMPLES, seed }),
  );
  const reference = await outputsOf(source.read.model, { samples, folder });
  const measure = async (recipe: Recipe): Promise<Candidate> => {
    const applied = await applyRecipe(source.read, { recipe, samples, scratch: folder, signal });
    const sqnrDb = sqnrOf(reference, await outputsOf(applied.model, { samples, folder }));
    const sizeBytes = encodeModel(applied.model).length;
    const figures = { sizeBytes, sqnrDb, latencyRatio: 1, memoryBytes: 0 };
    return { recipe, formats: [precisionOf(applied.passes)], figures };
  };
  const measured: Candidate[] = [];
  for (const recipe of candidateRecipes(base)) {
    if (MIXED.test(recipe.name)) measured.push(await measure(recipe));
  }
  const asked: Candidate[] = [];
  await mixPrecisions({
    source,
    samples,
    scratch: folder,
    signal,
    base,
    measured,
    isGood: ({ figures }) => figures.sqnrDb >= sqnrDbMin,
    async consider(recipe) {
      const found = await measure(recipe);
      asked.push(found);
      return found;
    },
  });
  const of = (name: string) => measured.find(({ recipe }) => recipe.name === name)?.figures;
  return { source, samples, asked, of };
}

let plain: Awaited<ReturnType<typeof mix>>;
beforeAll(async () => {
  plain = await mix(-100);
});

test('the layer whose weights suit few bits least is the most sensitive', async () => {
  const { source, samples } = plain;
  const options = { pass: 'int4-block', config: { block: 32 }, samples, folder, signal };
  const ranked = await rankLayers(source.read.model, options);
  expect(ranked).toHaveLength(LAYERS);
  expect(ranked[0]?.place).toBe('layer2');
  expect(ranked.map(({ sqnrDb }) => sqnrDb)).toEqual(
    ranked.map(({ sqnrDb }) => sqnrDb).sort((a, b) => a - b),
  );
});

test('from 8 bits down: the least sensitive layers go to 4 bits while the outputs are good', async () => {
  const [fine, coarse] = [plain.of('int8-block'), plain.of('int4 block 32')];
  const between = (fine!.sqnrDb + coarse!.sqnrDb) / 2;
  const { asked } = await mix(between);
  const mixes = asked.filter(({ recipe }) => recipe.name.startsWith('int4 block 32, '));
  const good = mixes.filter(({ figures }) => figures.sqnrDb >= between);
  expect(good.length).toBeGreaterThan(0);
  const smallest = Math.min(...good.map(({ figures }) => figures.sizeBytes));
  expect(smallest).toBeLessThan(fine!.sizeBytes);
  expect(smallest).toBeGreaterThan(coarse!.sizeBytes);
});

test('from 8 bits up: the most sensitive layers are left until the outputs are good', async () => {
  const whole = plain.of('int8-static min-max');
  const { asked } = await mix(whole!.sqnrDb + 10);
  const mixes = asked.filter(({ recipe }) => recipe.name.startsWith('int8-static'));
  expect(mixes.length).toBeGreaterThan(0);
  const good = mixes.filter(({ figures }) => figures.sqnrDb >= whole!.sqnrDb + 10);
  expect(good.length).toBeGreaterThan(0);
  expect(good[0]?.figures.sizeBytes).toBeLessThan(plain.of('clean')!.sizeBytes);
});

test('nothing is mixed where the smallest is good already', () => {
  expect(plain.asked).toEqual([]);
});
