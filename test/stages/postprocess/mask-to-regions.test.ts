import sharp from 'sharp';
import { expect, test } from 'vitest';
import type { ValueType } from '../../../src/flow/value.ts';
import { maskToRegions } from '../../../src/stages/postprocess/mask-to-regions.ts';
import { FREE, float32 } from '../../../src/tensor/tensor.ts';
import { describeStage } from '../../conformance/stage.ts';
import { compileStage, runStage } from '../../harness/run-stage.ts';
import { readOutcomes, scoresType } from './labelled.ts';

const heat = (shape: readonly number[]): ValueType => ({ kind: 'tensor', type: 'float32', shape });
const map = (...shape: number[]) =>
  float32(shape, Float32Array.of(0.75, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.5, 1));

describeStage({
  stage: maskToRegions,
  cases: [
    {
      title: 'with its map',
      config: { heatmap: 'both' },
      input: heat([1, 1, 3, 4]),
      values: [map(1, 1, 3, 4)],
    },
  ],
  wrongInputs: [
    { kind: 'text' },
    heat([12]),
    heat([2, 3, 4]),
    heat([1, 2, 3, 4]),
    heat([4096, 4096]),
  ],
});

async function describeMap(config: object, shape: readonly number[] = [3, 4]) {
  const use = { config: { ...config }, input: heat(shape) };
  const [found] = readOutcomes(await runStage(maskToRegions, use, [map(...shape)]));
  return found;
}

const REGIONS = [
  { box: [0.5, 0.666667, 1, 1], score: 1, area: 0.166667 },
  { box: [0, 0, 0.25, 0.333333], score: 0.75, area: 0.083333 },
];

test.each([[[3, 4]], [[1, 3, 4]], [[3, 4, 1]], [[1, 1, 3, 4]], [[1, 3, 4, 1]]])(
  'mask-to-regions reads a map of the shape %j',
  async (shape) => {
    expect(await describeMap({}, shape)).toEqual({ score: 1, regions: REGIONS });
  },
);

test.each([
  [{ threshold: 0.9 }, [{ box: [0.75, 0.666667, 1, 1], score: 1, area: 0.083333 }]],
  [{ threshold: 2 }, []],
  [{ areaMin: 0.1 }, REGIONS.slice(0, 1)],
  [{ regionsMax: 1 }, REGIONS.slice(0, 1)],
])('mask-to-regions with %j', async (config, regions) => {
  expect(await describeMap(config)).toEqual({ score: 1, regions });
});

test('mask-to-regions gives the map as rows of numbers, shrunk to its largest', async () => {
  const found = await describeMap({ heatmap: 'numbers', heatmapSideMax: 2 });
  expect(found).toMatchObject({
    heatmap: {
      width: 2,
      height: 2,
      numbers: [
        [0.75, 0],
        [0, 1],
      ],
    },
  });
});

test('mask-to-regions gives the map as a PNG that is light where it is hot', async () => {
  const found = (await describeMap({ heatmap: 'png' })) as { heatmap: { png: string } };
  expect(Object.keys(found.heatmap)).toEqual(['width', 'height', 'png']);
  const { data, info } = await sharp(Buffer.from(found.heatmap.png, 'base64'))
    .raw()
    .toBuffer({ resolveWithObject: true });
  expect(info).toMatchObject({ width: 4, height: 3 });
  expect(data[11 * 3]).toBeGreaterThan(data[1 * 3]! + 100);
});

test('mask-to-regions takes a map whose size is free until an event comes', async () => {
  const use = { config: {}, input: heat([FREE, 1, FREE, FREE]) };
  const found = await runStage(maskToRegions, use, [map(1, 1, 3, 4)]);
  expect(readOutcomes(found)).toMatchObject([{ regions: REGIONS }]);
  const batch = float32([2, 1, 1, 1], Float32Array.of(0, 0));
  const bad = runStage(maskToRegions, use, [batch]);
  await expect(bad).rejects.toMatchObject({ code: 'shape-mismatch' });
});

test('mask-to-regions fails on a map with a number that is none', async () => {
  const bad = float32([1, 2], Float32Array.of(1, Number.NaN));
  const run = runStage(maskToRegions, { config: {}, input: heat([1, 2]) }, [bad]);
  await expect(run).rejects.toMatchObject({ code: 'value-invalid' });
});

test('mask-to-regions is refused where its colours have no range', async () => {
  const use = { config: { low: 1, high: 1 }, input: heat([3, 4]) };
  await expect(compileStage(maskToRegions, use)).rejects.toMatchObject({ field: 'high' });
  const row = compileStage(maskToRegions, { config: {}, input: scoresType('a') });
  await expect(row).resolves.toBeDefined();
});
