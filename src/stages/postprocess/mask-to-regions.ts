import { defineStage, emit, FieldError } from '../../flow/stage.ts';
import { formatType, type TensorType, type Value } from '../../flow/value.ts';
import { coarsen, drawHeat, type NumberGrid } from '../../image/draw.ts';
import { encodePng } from '../../image/png.ts';
import { findRegions } from '../../image/regions.ts';
import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';
import { FREE, formatShape } from '../../tensor/tensor.ts';
import { oneTensor, oneTensorType } from './one-tensor.ts';
import { finite, float32Of, roundScore } from './scores.ts';

/** Cells of one heat map: a 2048 x 2048 mask, 20 MB of working memory. */
const CELLS_MAX = 4_194_304;

const schema = z.strictObject({
  threshold: z.number().default(0.5).describe('Cells from this number on belong to a region.'),
  areaMin: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe('Smaller regions are left out, in parts of the whole map.'),
  regionsMax: z.int().min(1).max(1000).default(50).describe('Regions told, the surest first.'),
  diagonal: z
    .boolean()
    .default(true)
    .describe('Whether cells that touch at a corner only belong together.'),
  heatmap: z
    .enum(['none', 'numbers', 'png', 'both'])
    .default('none')
    .describe('Adds the map itself to the result: rows of numbers, a PNG in base64, or both.'),
  heatmapSideMax: z
    .int()
    .min(1)
    .max(512)
    .default(32)
    .describe('A larger map is shrunk to this many cells a side in the result.'),
  low: z.number().default(0).describe('The number that the PNG shows darkest.'),
  high: z.number().default(1).describe('The number that the PNG shows brightest.'),
});

type Config = z.infer<typeof schema>;

/** Where a heat map is hot. */
export const maskToRegions = defineStage({
  kind: 'mask-to-regions',
  phase: 'postprocess',
  summary: 'Finds connected regions of a heat map: {score, regions: [{box, score, area}]}.',
  schema,
  create(config, { input }) {
    if (config.high <= config.low) {
      throw new FieldError('high', config.high, `more than \`low\`, ${config.low}`);
    }
    const axis = checkGrid(oneTensorType(input));
    return {
      output: { kind: 'result', of: 'regions' },
      scope: 'shared',
      open: () => ({
        run: (value) =>
          emit({ kind: 'result', result: describeGrid(readGrid(value, axis), config) }),
      }),
    };
  },
});

function describeGrid(grid: NumberGrid, config: Config): Readonly<Record<string, unknown>> {
  const regions = findRegions(grid, config)
    .slice(0, config.regionsMax)
    .map(({ box, score, area }) => ({
      box: box.map(roundScore),
      score: roundScore(score),
      area: roundScore(area),
    }));
  let score = Number.NEGATIVE_INFINITY;
  for (const cell of grid.data) score = Math.max(score, cell); // NaN stays NaN
  const map = config.heatmap === 'none' ? {} : { heatmap: describeHeat(grid, config) };
  return { score: roundScore(finite(score, 'the heat map')), regions, ...map };
}

function describeHeat(grid: NumberGrid, { heatmap, heatmapSideMax, low, high }: Config): unknown {
  const small = coarsen(grid, heatmapSideMax);
  const { width, height, data } = small;
  const numbers = Array.from({ length: height }, (_, row) =>
    Array.from(data.subarray(row * width, (row + 1) * width), roundScore),
  );
  const png = () => Buffer.from(encodePng(drawHeat(small, low, high))).toString('base64');
  return {
    width,
    height,
    ...(heatmap !== 'png' && { numbers }),
    ...(heatmap !== 'numbers' && { png: png() }),
  };
}

function checkGrid(type: TensorType): number {
  const axis = rowAxis(type.shape);
  const [height = FREE, width = FREE] = axis === undefined ? [] : type.shape.slice(axis, axis + 2);
  const known = height !== FREE && width !== FREE;
  if (axis === undefined || (known && height * width > CELLS_MAX)) {
    throw new FieldError('', formatType(type), `one map [h, w] of at most ${CELLS_MAX} cells`);
  }
  return axis;
}

/** Where the rows stand in [h, w], [1, h, w], [h, w, 1], [1, 1, h, w] or [1, h, w, 1]. */
function rowAxis(shape: readonly number[]): number | undefined {
  const one = (axis: number) => shape[axis] === 1 || (axis === 0 && shape[axis] === FREE);
  if (shape.length === 2) return 0;
  if (shape.length === 3 && one(0)) return 1;
  if (shape.length === 3 && one(2)) return 0;
  if (shape.length === 4 && one(0)) return one(1) ? 2 : one(3) ? 1 : undefined;
  return undefined;
}

function readGrid(value: Value, axis: number): NumberGrid {
  const tensor = oneTensor(value);
  const [height = 0, width = 0] = tensor.shape.slice(axis, axis + 2);
  if (width * height !== tensor.data.length || width * height > CELLS_MAX) {
    throw new LedgeError(
      'shape-mismatch',
      `Cannot find regions: ${formatShape(tensor.shape)} is no map of at most ${CELLS_MAX} cells`,
    );
  }
  return { width, height, data: float32Of(tensor) };
}
