import { placeOf } from '../../onnx/names.ts';
import type { Model } from '../../onnx/proto.ts';
import { evenly } from '../../std/evenly.ts';
import type { PassContext } from '../pass.ts';
import { compileEntry } from '../passes.ts';
import { outputsOf, sqnrOf } from '../sensitive-layers.ts';

/** Ranges and noise of a few samples rank layers as those of many do. */
const SAMPLES_MAX = 4;
/** Each is a model made, opened and run: deeper nets keep their smallest layers out of the ranking. */
const LAYERS_MAX = 128;

/** Operators whose weights passes for fewer bits can take. */
export const WEIGHTED: ReadonlySet<string> = new Set(['Conv', 'MatMul', 'Gemm']);

/** A layer with the signal to noise that it leaves at the outputs, quantised alone. */
export interface RankedLayer {
  readonly place: string;
  readonly sqnrDb: number;
}

export interface RankingOptions extends PassContext {
  /** A pass that takes `exclude`, with the rest of its configuration. */
  readonly pass: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
}

/**
 * The layers that a pass can take, the most sensitive first: each is given to it alone, and the
 * noise at the outputs is measured. What the pass leaves alone is not among them.
 */
export async function rankLayers(
  model: Model,
  { pass, config, samples, folder, signal }: RankingOptions,
): Promise<readonly RankedLayer[]> {
  const context = { samples: evenly(samples, SAMPLES_MAX), folder };
  const nodes = model.graph?.nodes.filter(({ operator }) => WEIGHTED.has(operator ?? '')) ?? [];
  const places = [...new Set(nodes.map(placeOf))].slice(0, LAYERS_MAX);
  const reference = await outputsOf(model, context);
  const ranked: RankedLayer[] = [];
  for (const place of places) {
    signal.throwIfAborted();
    const exclude = places.filter((other) => other !== place);
    const alone = await compileEntry({ [pass]: { ...config, exclude } })(model, context);
    if (Object.keys(alone.report.done).length === 0) continue;
    const sqnrDb = sqnrOf(reference, await outputsOf(alone.model, context));
    ranked.push({ place, sqnrDb });
  }
  return ranked.sort((a, b) => a.sqnrDb - b.sqnrDb);
}
