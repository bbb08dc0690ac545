import type { InputPart } from '../infer/protocol.ts';
import { LedgeError } from '../std/error.ts';
import { createComparison, type Difference } from './compare.ts';
import type { Recipe } from './recipe.ts';
import type { RunningModel } from './run-model.ts';

/** How far two models are apart at their outputs. */
export async function compareOn(
  samples: readonly (readonly InputPart[])[],
  [reference, found]: readonly [RunningModel, RunningModel],
): Promise<Difference> {
  const comparison = createComparison();
  for (const sample of samples) {
    const wanted = await reference.run(sample);
    const given = await found.run(sample);
    for (const [at, { data }] of wanted.entries()) comparison.add(data, given[at]?.data ?? []);
  }
  return comparison.difference();
}

/** Throws `model-refused` where the outputs have more noise than a recipe accepts. */
export function refuseNoise({ sqnrDb, maxError }: Difference, { accept }: Recipe): void {
  if (Number.isFinite(maxError) && !(sqnrDb < accept.sqnrDbMin)) return;
  const found = `signal to noise ${sqnrDb.toFixed(1)} dB`;
  const state = `${found}, at least ${accept.sqnrDbMin} dB are asked`;
  throw new LedgeError('model-refused', `Cannot accept the compressed model: ${state}`, {
    context: { sqnrDb, maxError },
  });
}
