import type { InputPart } from '../../infer/protocol.ts';
import { applyRecipe, type Source } from '../apply-recipe.ts';
import type { Recipe } from '../recipe.ts';
import { findBoundary } from './boundary.ts';
import { candidateRecipe, type RecipeBase, staticPass } from './candidate-recipes.ts';
import { rankLayers } from './layer-ranking.ts';
import type { Candidate } from './measure-candidate.ts';

const BLOCK = 32;

export interface MixingOptions {
  readonly source: Source;
  readonly samples: readonly (readonly InputPart[])[];
  readonly scratch: string;
  readonly signal: AbortSignal;
  readonly base: RecipeBase;
  /** What was measured before. */
  readonly measured: readonly Candidate[];
  /** Measures one more; undefined where no more may be, false where it could not be. */
  readonly consider: (recipe: Recipe) => Promise<Candidate | false | undefined>;
  /** Whether a candidate says what the budget wants, whatever it costs. */
  readonly isGood: (candidate: Candidate) => boolean;
}

/**
 * Precision layer by layer, by measured sensitivity: from 8 bits up, the most sensitive layers are
 * left until the outputs are good; from 8 bits down, the least sensitive go to 4 while they are.
 */
export async function mixPrecisions(options: MixingOptions): Promise<void> {
  const { measured, isGood } = options;
  const best = measured
    .filter(({ recipe }) => passOf(recipe, 'int8-static') && !passOf(recipe, 'fp16'))
    .sort((a, b) => b.figures.sqnrDb - a.figures.sqnrDb)[0];
  if (best !== undefined && !isGood(best)) await leaveSensitive(best, options);
  const blocks = measured.find(({ recipe }) => recipe.name === 'int8-block');
  const coarse = measured.find(({ recipe }) => recipe.name === `int4 block ${BLOCK}`);
  if (blocks !== undefined && isGood(blocks) && coarse !== undefined && !isGood(coarse)) {
    await coarsenInsensitive(options);
  }
}

function passOf({ passes }: Recipe, name: string): Record<string, unknown> | undefined {
  const entry = passes.find((one) => Object.hasOwn(one, name));
  return entry?.[name] as Record<string, unknown> | undefined;
}

async function leaveSensitive({ recipe }: Candidate, options: MixingOptions): Promise<void> {
  const calibration = String(passOf(recipe, 'int8-static')?.calibration ?? 'min-max');
  const ranked = await rank('int8-static', { calibration: 'min-max' }, options);
  const rest = options.base.half ? [{ fp16: {} }] : [];
  const kept = options.base.half ? 'fp16' : 'fp32';
  await walk({ from: 0, to: ranked.length - 1, holdsFrom: false }, options, (count) => {
    const name = `int8-static ${calibration}, ${count} of ${ranked.length} layers ${kept}`;
    const exclude = ranked.slice(0, count);
    return candidateRecipe(
      name,
      [staticPass(calibration, exclude, options.base), ...rest],
      options.base,
    );
  });
}

async function coarsenInsensitive(options: MixingOptions): Promise<void> {
  const ranked = await rank('int4-block', { block: BLOCK, embeddings: false }, options);
  await walk({ from: ranked.length, to: 1, holdsFrom: true }, options, (count) => {
    const name = `int4 block ${BLOCK}, ${count} of ${ranked.length} layers int8`;
    const exclude = ranked.slice(0, count);
    const fine = { 'int4-block': { block: BLOCK, embeddings: false, exclude } };
    return candidateRecipe(name, [fine, { 'int8-block': {} }], options.base);
  });
}

/** Names of layers, the most sensitive first. */
async function rank(
  pass: string,
  config: Readonly<Record<string, unknown>>,
  { source, samples, scratch, signal, base }: MixingOptions,
): Promise<readonly string[]> {
  const clean = candidateRecipe('clean', [], base);
  const { model } = await applyRecipe(source.read, { recipe: clean, samples, scratch, signal });
  const options = { pass, config, samples, folder: scratch, signal };
  return (await rankLayers(model, options)).map(({ place }) => place);
}

/** Asks for mixes by how many layers stay finer. */
async function walk(
  range: { readonly from: number; readonly to: number; readonly holdsFrom: boolean },
  { consider, isGood }: MixingOptions,
  recipeFor: (count: number) => Recipe,
): Promise<void> {
  await findBoundary({
    ...range,
    async holds(count) {
      const found = await consider(recipeFor(count));
      if (found === undefined) return undefined;
      return found !== false && isGood(found);
    },
  });
}
