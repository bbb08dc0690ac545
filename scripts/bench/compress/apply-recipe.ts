import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compileEntry } from '../../../src/compress/passes.ts';
import { loadRecipe } from '../../../src/compress/recipe.ts';
import type { InputPart } from '../../../src/infer/protocol.ts';
import { encodeModel } from '../../../src/onnx/graph.ts';
import { readModelFile } from '../../../src/onnx/model-file.ts';
import type { Graph } from '../../../src/onnx/proto.ts';

export interface Applied {
  readonly file: string;
  readonly bytes: number;
  /** What each pass did, by what and how often. */
  readonly done: string;
}

/**
 * Puts a file through the passes of a recipe, as `ledge compress` does, and writes the result; what the
 * command measures beside that is measured here in turns with other models.
 */
export async function applyRecipe(
  from: string,
  to: string,
  { recipe, samplesOf }: { recipe: string; samplesOf?: (graph: Graph) => InputPart[][] },
): Promise<Applied> {
  const { passes } = await loadRecipe(recipe);
  let { model } = await readModelFile(from);
  const samples = model.graph === undefined ? [] : (samplesOf?.(model.graph) ?? []);
  const folder = mkdtempSync(join(tmpdir(), 'ledge-bench-'));
  const done: string[] = [];
  try {
    for (const entry of passes) {
      const result = await compileEntry(entry)(model, { samples, folder });
      model = result.model;
      for (const [what, times] of Object.entries(result.report.done)) done.push(`${times} ${what}`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  writeFileSync(to, encodeModel(model));
  return { file: to, bytes: statSync(to).size, done: done.join(', ') };
}
