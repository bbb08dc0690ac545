import { readFile } from 'node:fs/promises';
import { decodeImage } from '../image/decode.ts';
import { PIXELS_MAX_DEFAULT, readImageHeader } from '../image/header.ts';
import { intersectionOverUnion } from './metrics.ts';

/** A heat map as a result carries it: rows of numbers from 0 (nothing) to 1. */
export interface Heatmap {
  readonly width: number;
  readonly height: number;
  readonly numbers: readonly (readonly number[])[];
}

/** From this heat on a cell is taken for a part of the defect. */
const HOT = 0.5;
/** Of a decoded mask. */
const CHANNELS = 3;

/**
 * Compares on the heat map's own grid: `hit`, whether its hottest cell touches the mask; `iou`, hot
 * cells against cells of which at least half is mask, or any part where the mask fills none.
 */
export async function compareWithMask(
  { width, height, numbers }: Heatmap,
  mask: string,
): Promise<{ hit: boolean; iou: number }> {
  const bytes = await readFile(mask);
  const size = readImageHeader(bytes, PIXELS_MAX_DEFAULT);
  const pixels = await decodeImage(bytes, {
    ...size,
    fit: 'fill',
    kernel: 'nearest',
    background: [0, 0, 0],
    flaws: 'accept',
  });
  const covered = coverage(pixels, size, { width, height });
  const heat = numbers.flat();
  const hottest = heat.indexOf(heat.reduce((max, value) => Math.max(max, value), -Infinity));
  const half = covered.map((share) => share >= 0.5);
  const truth = half.includes(true) ? half : covered.map((share) => share > 0);
  return {
    hit: (covered[hottest] ?? 0) > 0,
    iou: intersectionOverUnion(
      heat.map((value) => value >= HOT),
      truth,
    ),
  };
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** The share of each cell that is mask; the pixels are [height, width, 3] and grey. */
function coverage(pixels: Uint8Array, from: Size, to: Size): number[] {
  const inside = new Array<number>(to.width * to.height).fill(0);
  const all = new Array<number>(to.width * to.height).fill(0);
  for (let y = 0; y < from.height; y++) {
    const row = Math.floor((y * to.height) / from.height);
    for (let x = 0; x < from.width; x++) {
      const cell = row * to.width + Math.floor((x * to.width) / from.width);
      all[cell] = (all[cell] as number) + 1;
      if ((pixels[(y * from.width + x) * CHANNELS] as number) > 127) {
        inside[cell] = (inside[cell] as number) + 1;
      }
    }
  }
  return inside.map((count, cell) => count / Math.max(1, all[cell] as number));
}
