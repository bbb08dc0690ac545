import { type Recipe, recipeSchema } from '../recipe.ts';

/** What all candidates have in common. */
export interface RecipeBase {
  readonly samples?: Recipe['samples'];
  readonly chunk?: Recipe['chunk'];
  /** Signed 8-bit sums overflow on the processor: 7 bits, or unsigned weights. */
  readonly narrow: boolean;
  /** Whether what no other pass reached may be stored in float16. */
  readonly half: boolean;
}

type Entry = Record<string, Record<string, unknown>>;

const CALIBRATIONS = ['min-max', 'percentile', 'entropy', 'mse'] as const;
/** More does harm without fine-tuning, which a search does not do. */
const PRUNED_SHARES = [0.1, 0.2, 0.4] as const;
const PRUNED_SQNR_DB_MIN = -40;
const BLOCKS = [32, 64, 128] as const;

/** A recipe of these passes between cleaning and sharing; pruning comes before both. */
export function candidateRecipe(name: string, passes: readonly Entry[], base: RecipeBase): Recipe {
  const { samples, chunk } = base;
  const [first, rest] = [passes.filter(isPruning), passes.filter((one) => !isPruning(one))];
  const parsed = recipeSchema.parse({
    description: `Found by a search: ${name}.`,
    passes: [...first, { fold: {} }, { fuse: {} }, ...rest, { share: {} }],
    ...(samples && { samples }),
    ...(chunk && { chunk }),
    // A pruned model is another function: its accuracy says what it is worth, not its noise.
    ...(first.length > 0 && { accept: { sqnrDbMin: PRUNED_SQNR_DB_MIN } }),
  });
  return { name, ...parsed };
}

function isPruning(entry: Entry): boolean {
  return Object.hasOwn(entry, 'prune');
}

/** An 8-bit static pass for the processor. */
export function staticPass(
  calibration: string,
  exclude: readonly string[],
  { narrow }: RecipeBase,
): Entry {
  return { 'int8-static': { calibration, exclude, ...(narrow && { weightBits: 7 }) } };
}

/** Recipes of every number format, those that lose least first. */
export function candidateRecipes(base: RecipeBase): readonly Recipe[] {
  const dynamic: Entry = { 'int8-dynamic': base.narrow ? { weights: 'unsigned' } : {} };
  const rest: readonly Entry[] = base.half ? [{ fp16: {} }] : [];
  const made: [string, readonly Entry[]][] = [
    ['clean', []],
    ['fp16', [{ fp16: {} }]],
    ['int8', [dynamic]],
    ['int8-block', [{ 'int8-block': {} }]],
    ...CALIBRATIONS.map((calibration): [string, readonly Entry[]] => [
      `int8-static ${calibration}`,
      [staticPass(calibration, [], base)],
    ]),
    ...BLOCKS.map((block): [string, readonly Entry[]] => [
      `int4 block ${block}`,
      [{ 'int4-block': { block } }],
    ]),
  ];
  if (base.half) {
    made.push(
      ['int8 + fp16', [dynamic, ...rest]],
      ['int8-static min-max + fp16', [staticPass('min-max', [], base), ...rest]],
      ['int4 block 64 + fp16', [{ 'int4-block': { block: 64 } }, ...rest]],
    );
  }
  return made.map(([name, passes]) => candidateRecipe(name, passes, base));
}

/** Recipes that take weights away: slow to make, and tried last. */
export function prunedRecipes(base: RecipeBase): readonly Recipe[] {
  return PRUNED_SHARES.flatMap((parameters) => {
    const name = `prune ${100 * parameters} %, not fine-tuned`;
    const first: Entry = { prune: { parameters } };
    const small = [first, staticPass('min-max', [], base)];
    return [
      candidateRecipe(name, [first], base),
      candidateRecipe(`${name}, int8-static`, small, base),
    ];
  });
}
