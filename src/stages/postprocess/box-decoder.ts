import type { Box } from '../../image/box.ts';
import { finite } from './scores.ts';

/** Where a detector's numbers stand: `at + box * perBox + part * perPart`. */
export interface Strided {
  readonly data: Float32Array;
  readonly at: number;
  readonly perBox: number;
  readonly perPart: number;
}

/** A detector's raw outputs for one picture. */
export interface BoxGrid {
  readonly count: number;
  readonly classes: number;
  readonly scores: Strided;
  readonly boxes: Strided;
  /** A score that multiplies those of the classes. */
  readonly objectness: Strided | undefined;
}

/** How four numbers make a box, and what takes them to fractions of the model's input. */
export interface BoxForm {
  readonly form: 'corners' | 'corners-yx' | 'centre';
  readonly across: number;
  readonly down: number;
}

export interface CandidateRules {
  readonly score: number;
  readonly background: number | undefined;
  readonly candidatesMax: number;
}

export interface Candidate {
  /** Number of the class. */
  readonly label: number;
  readonly score: number;
  readonly box: Box;
}

/** The best class of each box where it is sure enough, the surest first. */
export function findCandidates(
  grid: BoxGrid,
  form: BoxForm,
  { score: scoreMin, background, candidatesMax }: CandidateRules,
): readonly Candidate[] {
  const found: { index: number; label: number; score: number }[] = [];
  for (let index = 0; index < grid.count; index += 1) {
    const sure = grid.objectness === undefined ? 1 : partOf(grid.objectness, index, 0);
    if (sure < scoreMin) continue;
    let label = -1;
    let best = Number.NEGATIVE_INFINITY;
    for (let part = 0; part < grid.classes; part += 1) {
      const score = partOf(grid.scores, index, part);
      if (score <= best) continue;
      best = score;
      label = part;
    }
    const score = best * sure;
    if (label !== background && score >= scoreMin) found.push({ index, label, score });
  }
  found.sort((a, b) => b.score - a.score);
  return found
    .slice(0, candidatesMax)
    .map(({ index, label, score }) => ({ label, score, box: readBox(grid.boxes, index, form) }));
}

function readBox(boxes: Strided, index: number, { form, across, down }: BoxForm): Box {
  const part = (place: number) => finite(partOf(boxes, index, place), `box ${index}`);
  const [a, b, c, d] = [part(0), part(1), part(2), part(3)];
  if (form === 'corners') return [a * across, b * down, c * across, d * down];
  if (form === 'corners-yx') return [b * across, a * down, d * across, c * down];
  return [(a - c / 2) * across, (b - d / 2) * down, (a + c / 2) * across, (b + d / 2) * down];
}

function partOf({ data, at, perBox, perPart }: Strided, box: number, part: number): number {
  return data[at + box * perBox + part * perPart]!;
}
