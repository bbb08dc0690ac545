import sharp from 'sharp';
import { intersectionOverUnion } from './metrics.ts';

/** A heat map as a result carries it: rows of numbers from 0 (nothing) to 1. */
export interface Heatmap {
  readonly width: number;
  readonly height: number;
  readonly numbers: readonly (readonly number[])[];
}

/** From this heat on a cell is taken for a part of the defect. */
const HOT = 0.5;

/**
 * Compares on the heat map's own grid: `hit`, whether its hottest cell touches the mask; `iou`, hot
 * cells against cells of which at least half is mask, or any part where the mask fills none.
 */
export async function compareWithMask(
  { width, height, numbers }: Heatmap,
  mask: string,
): Promise<{ hit: boolean; iou: number }> {
  const { data, info } = await sharp(mask).greyscale().raw().toBuffer({ resolveWithObject: true });
  const covered = coverage(data, info, { width, height });
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

/** The share of each cell that is mask. */
function coverage(pixels: Uint8Array, from: Size & { channels: number }, to: Size): number[] {
  const inside = new Array<number>(to.width * to.height).fill(0);
  const all = new Array<number>(to.width * to.height).fill(0);
  for (let y = 0; y < from.height; y++) {
    const row = Math.floor((y * to.height) / from.height);
    for (let x = 0; x < from.width; x++) {
      const cell = row * to.width + Math.floor((x * to.width) / from.width);
      all[cell] = (all[cell] as number) + 1;
      if ((pixels[(y * from.width + x) * from.channels] as number) > 127) {
        inside[cell] = (inside[cell] as number) + 1;
      }
    }
  }
  return inside.map((count, cell) => count / Math.max(1, all[cell] as number));
}
