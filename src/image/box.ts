import { type FitMode, fitPicture, type Size } from './fit.ts';

/** Left, top, right and bottom as fractions of the picture's sides. */
export type Box = readonly [number, number, number, number];

/** A thing seen: what, how sure (0 to 1) and where. */
export interface Detection {
  readonly label: string;
  readonly score: number;
  readonly box: Box;
}

/** The area that two boxes share, as a part of the area that they cover together: 0 to 1. */
export function intersectionOverUnion(a: Box, b: Box): number {
  const across = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const down = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (across <= 0 || down <= 0) return 0;
  const shared = across * down;
  return shared / (areaOf(a) + areaOf(b) - shared);
}

function areaOf(box: Box): number {
  return (box[2] - box[0]) * (box[3] - box[1]);
}

export interface SuppressionRules {
  /** A box that shares more than this with a surer one is taken for the same thing. */
  readonly overlapMax: number;
  readonly detectionsMax: number;
  /** Whether boxes of different labels leave each other alone. */
  readonly byLabel: boolean;
}

/** Greedy non-maximum suppression: the surest box stays, those that overlap it too much go. */
export function suppressOverlaps(
  detections: readonly Detection[],
  { overlapMax, detectionsMax, byLabel }: SuppressionRules,
): readonly Detection[] {
  const kept: Detection[] = [];
  for (const candidate of [...detections].sort((a, b) => b.score - a.score)) {
    if (kept.length === detectionsMax) break;
    const hidden = kept.some(
      (other) =>
        (!byLabel || other.label === candidate.label) &&
        intersectionOverUnion(other.box, candidate.box) > overlapMax,
    );
    if (!hidden) kept.push(candidate);
  }
  return kept;
}

/**
 * Takes a box from fractions of a model's input back to fractions of the picture that was laid on
 * that input, cut at the picture's edges.
 */
export function unfitBox(box: Box, { picture, target, mode }: Laying): Box {
  const fit = fitPicture(picture, target, mode);
  const across = (x: number) => clamp((x * target.width - fit.left) / fit.width);
  const down = (y: number) => clamp((y * target.height - fit.top) / fit.height);
  return [across(box[0]), down(box[1]), across(box[2]), down(box[3])];
}

/** How a picture was laid on a model's input. */
export interface Laying {
  readonly picture: Size;
  readonly target: Size;
  readonly mode: FitMode;
}

function clamp(fraction: number): number {
  return Math.min(Math.max(fraction, 0), 1);
}
