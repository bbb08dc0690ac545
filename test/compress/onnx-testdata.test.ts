import { describe, expect, test } from 'vitest';
import { fold } from '../../src/compress/passes/fold.ts';
import { fp16 } from '../../src/compress/passes/fp16.ts';
import { fuse } from '../../src/compress/passes/fuse.ts';
import { share } from '../../src/compress/passes/share.ts';
import { openForRuns } from '../../src/compress/run-model.ts';
import { PLAIN_SAMPLES, sampleInputs } from '../../src/compress/sample-inputs.ts';
import { inspectModel } from '../../src/onnx/inspect.ts';
import { readModelFile } from '../../src/onnx/model-file.ts';
import type { Model } from '../../src/onnx/proto.ts';
import { createPassCase } from '../harness/compress-case.ts';
import { onnxTestdata } from '../harness/onnx-testdata.ts';

const cases = createPassCase();
const testdata = onnxTestdata();

/** Whether plain samples fit a model, and it gives the same twice. */
async function runs(path: string, model: Model): Promise<boolean> {
  if (model.graph === undefined || (await inspectModel(path)).problems.length > 0) return false;
  const random = /Random|Bernoulli|Multinomial/;
  if (model.graph.nodes.some(({ operator }) => random.test(operator ?? ''))) return false;
  try {
    await using running = await openForRuns(path, model.graph);
    for (const seed of [1, 2, 3]) {
      await running.run(sampleInputs(model.graph, { ...PLAIN_SAMPLES, seed }));
    }
    return true;
  } catch {
    return false;
  }
}

describe.skipIf(testdata.length === 0)('libonnx-testdata (folder in LEDGE_ONNX_TESTDATA)', () => {
  test('fold, fuse, share and fp16 keep the outputs of every model that runs', async () => {
    let count = 0;
    for (const path of testdata) {
      const { model } = await readModelFile(path);
      if (!(await runs(path, model))) continue;
      count += 1;
      const folded = await cases.apply(model, fold);
      const fused = await cases.apply(folded.model, fuse);
      const shared = await cases.apply(fused.model, share);
      const half = await cases.apply(shared.model, fp16, { compute: true });
      for (const [{ difference }, bound] of [
        [folded, 1e-4],
        [fused, 1e-4],
        [shared, 0],
        [half, 5e-2],
      ] as const) {
        const { maxError, maxMagnitude } = difference;
        expect(maxError, path).toBeLessThanOrEqual(bound * Math.max(1, maxMagnitude));
      }
    }
    console.info('libonnx-testdata: models through the passes', count);
    expect(count).toBeGreaterThan(500);
  }, 900_000);
});
