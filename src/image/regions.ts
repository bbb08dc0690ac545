import type { Box } from './box.ts';
import type { NumberGrid } from './draw.ts';

/** A connected part of a grid whose numbers reach the threshold. */
export interface Region {
  /** Corners as fractions of the grid's sides. */
  readonly box: Box;
  /** Part of the whole grid, 0 to 1. */
  readonly area: number;
  /** The largest number in it. */
  readonly score: number;
}

export interface RegionRules {
  readonly threshold: number;
  /** Smaller regions are left out, in parts of the grid. */
  readonly areaMin: number;
  /** Whether cells that touch at a corner only belong together. */
  readonly diagonal: boolean;
}

/**
 * The connected regions of a grid at or over a threshold, the largest score first, by flood fill
 * with a stack of its own (each cell is pushed once): linear in the grid's size.
 */
export function findRegions(grid: NumberGrid, rules: RegionRules): readonly Region[] {
  const seen = new Uint8Array(grid.data.length);
  const stack = new Int32Array(grid.data.length);
  const regions: Region[] = [];
  for (let start = 0; start < grid.data.length; start += 1) {
    if (seen[start] === 1 || !(grid.data[start]! >= rules.threshold)) continue;
    const region = flood(grid, rules, { start, seen, stack });
    if (region.area >= rules.areaMin) regions.push(region);
  }
  return regions.sort((a, b) => b.score - a.score);
}

interface Fill {
  readonly start: number;
  readonly seen: Uint8Array;
  readonly stack: Int32Array;
}

function flood(grid: NumberGrid, rules: RegionRules, { start, seen, stack }: Fill): Region {
  const { width, height, data } = grid;
  let [left, top, right, bottom] = [width, height, 0, 0];
  let cells = 0;
  let score = Number.NEGATIVE_INFINITY;
  let waiting = 1;
  stack[0] = start;
  seen[start] = 1;
  while (waiting > 0) {
    waiting -= 1;
    const cell = stack[waiting]!;
    const x = cell % width;
    const y = (cell - x) / width;
    left = Math.min(left, x);
    right = Math.max(right, x + 1);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y + 1);
    score = Math.max(score, data[cell]!);
    cells += 1;
    for (let down = y > 0 ? -1 : 0; down <= (y < height - 1 ? 1 : 0); down += 1) {
      for (let across = x > 0 ? -1 : 0; across <= (x < width - 1 ? 1 : 0); across += 1) {
        if (!rules.diagonal && down !== 0 && across !== 0) continue;
        const next = cell + down * width + across;
        if (seen[next] === 1 || !(data[next]! >= rules.threshold)) continue;
        seen[next] = 1;
        stack[waiting] = next;
        waiting += 1;
      }
    }
  }
  const box: Box = [left / width, top / height, right / width, bottom / height];
  return { box, area: cells / data.length, score };
}
