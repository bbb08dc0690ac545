import type { PixelGrid } from './png.ts';

/** Numbers laid out as a picture, rows from the top: [height, width]. */
export interface NumberGrid {
  readonly width: number;
  readonly height: number;
  readonly data: Float32Array;
}

/** From cold to hot; even steps of lightness, so that it reads in grey and to the colour-blind. */
const HEAT = [
  [8, 6, 32],
  [66, 12, 96],
  [150, 34, 92],
  [222, 74, 50],
  [250, 158, 30],
  [252, 244, 170],
] as const;

/** Paints numbers from `low` (dark) to `high` (bright) as RGB pixels of the same size. */
export function drawHeat(grid: NumberGrid, low: number, high: number): PixelGrid {
  const data = new Uint8Array(grid.width * grid.height * 3);
  const scale = high > low ? (HEAT.length - 1) / (high - low) : 0;
  for (let index = 0; index < grid.data.length; index += 1) {
    const place = Math.min(Math.max((grid.data[index]! - low) * scale, 0), HEAT.length - 1);
    const step = Math.min(Math.floor(place), HEAT.length - 2);
    const part = place - step;
    for (let channel = 0; channel < 3; channel += 1) {
      const from = HEAT[step]![channel]!;
      data[index * 3 + channel] = Math.round(from + (HEAT[step + 1]![channel]! - from) * part);
    }
  }
  return { width: grid.width, height: grid.height, channels: 3, data };
}

/** Shrinks a grid to at most `sideMax` cells a side; each cell is the largest number it covers. */
export function coarsen(grid: NumberGrid, sideMax: number): NumberGrid {
  const step = Math.ceil(Math.max(grid.width, grid.height) / sideMax);
  if (step <= 1) return grid;
  const width = Math.ceil(grid.width / step);
  const height = Math.ceil(grid.height / step);
  const data = new Float32Array(width * height).fill(Number.NEGATIVE_INFINITY);
  for (let y = 0; y < grid.height; y += 1) {
    for (let x = 0; x < grid.width; x += 1) {
      const cell = Math.floor(y / step) * width + Math.floor(x / step);
      data[cell] = Math.max(data[cell]!, grid.data[y * grid.width + x]!);
    }
  }
  return { width, height, data };
}
