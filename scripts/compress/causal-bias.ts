import type { GraphMaker } from './graph-maker.ts';

/** What a masked score gets: far below any other, and still a number. */
const MASKED = -1e9;

/**
 * 0 where a token may look and far below where it stands in the future, for scores
 * [batch, ..., sequence, total] with so many dimensions between.
 */
export function causalBias(
  graph: GraphMaker,
  { ids, places, between }: { ids: string; places: string; between: number },
): string {
  const sizeOf = (value: string, axis: number) =>
    graph.node('Gather', [graph.node('Shape', [value]), graph.integer(axis)]);
  const total = graph.node('Add', [sizeOf('past.0.key', 2), sizeOf(ids, 1)]);
  const keys = graph.node('Range', [graph.integer(0), total, graph.integer(1)]);
  const axes = Array.from({ length: between }, (_, at) => at + 1);
  const queries = graph.node('Unsqueeze', [places, graph.integers(...axes, between + 2)]);
  const seen = graph.node('LessOrEqual', [keys, queries]);
  return graph.node('Where', [seen, graph.float(0), graph.float(MASKED)]);
}
