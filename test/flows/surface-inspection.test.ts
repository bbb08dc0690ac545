import { afterAll, beforeAll, expect, test } from 'vitest';
import { renderTile } from '../../scripts/fixtures/rendered-tile.ts';
import { encodePng } from '../../src/image/png.ts';
import { z } from '../../src/std/schema.ts';
import { type OpenedFlow, openFlow } from './opened-flow.ts';

const MODEL_MS_MAX = 120_000; // a cold worker on a loaded machine; no figure of the model's speed
const CELLS = 28;

const resultSchema = z.object({
  verdict: z.enum(['ok', 'defect']),
  label: z.string(),
  score: z.number().min(0).max(1),
  scores: z.record(z.string(), z.number().min(0).max(1)),
  regions: z.array(z.object({ box: z.array(z.number()).length(4), score: z.number() })),
  heatmap: z.object({ numbers: z.array(z.array(z.number().min(0).max(1))) }),
});

let flow: OpenedFlow;

beforeAll(async () => {
  flow = await openFlow('surface-inspection');
}, MODEL_MS_MAX);

afterAll(async () => {
  await flow?.[Symbol.asyncDispose]();
});

async function inspect(width: number, height: number) {
  const tile = renderTile({ seed: 101, width, height, level: 120, defects: [] });
  const results = await flow.process(encodePng({ ...tile, channels: 1 }));
  expect(results).toHaveLength(1);
  return resultSchema.parse(results[0]);
}

test('the surface flow passes its own tests', async () => {
  const reports = await flow.cases();
  expect(reports.length).toBeGreaterThan(0);
  expect(reports.filter(({ passed }) => !passed)).toEqual([]);
});

test.each([
  { width: 240, height: 300 },
  { width: 600, height: 120 },
])('a tile of $width by $height has 28 by 28 cells of heat', async ({ width, height }) => {
  const { heatmap, scores } = await inspect(width, height);
  expect(heatmap.numbers.map((row) => row.length)).toEqual(Array(CELLS).fill(CELLS));
  const sum = Object.values(scores).reduce((total, score) => total + score, 0);
  expect(sum).toBeCloseTo(1, 4);
});
