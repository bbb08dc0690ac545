import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compareOutputs } from '../../src/compress/compare.ts';
import { compilePass, type PassReport } from '../../src/compress/pass.ts';
import { prune } from '../../src/compress/passes/prune.ts';
import { openForRuns } from '../../src/compress/run-model.ts';
import {
  PLAIN_SAMPLES,
  type SampleOptions,
  sampleInputs,
} from '../../src/compress/sample-inputs.ts';
import { encodeModel } from '../../src/onnx/graph.ts';
import { inspectBytes } from '../../src/onnx/inspect.ts';
import type { Model } from '../../src/onnx/proto.ts';
import { type Block, convNet } from '../fixtures/conv-models.ts';
import { transformer } from '../fixtures/transformer-models.ts';
import { createPassCase, REAL_MODELS } from '../harness/compress-case.ts';
import { type PruneFile, withZeros } from '../harness/pruned-case.ts';
import { sharedData } from '../harness/shared-data.ts';

const cases = createPassCase();
const EQUAL = 1e-5;

interface Pruned {
  readonly model: Model;
  readonly report: PassReport;
  readonly file: PruneFile;
  /** Between the pruned model and the whole one with zeros where it lost something. */
  readonly error: number;
}

async function pruned(
  before: Model,
  config: object = {},
  given: Partial<SampleOptions> = {},
): Promise<Pruned> {
  const options = { ...PLAIN_SAMPLES, ...given };
  const samples = [4, 5].map((seed) => sampleInputs(before.graph!, { ...options, seed }));
  const compiled = compilePass(prune, prune.schema.parse(config));
  const { model, report, files } = await compiled(before, { samples, folder: cases.folder });
  const file = JSON.parse(files.get('prune.json') ?? '') as PruneFile;
  const bytes = encodeModel(model);
  expect((await inspectBytes(bytes)).problems).toEqual([]);
  expect(interfaceOf(model)).toEqual(interfaceOf(before));
  const wanted = await outputsOf(encodeModel(withZeros(before, file)), before, options);
  const found = await outputsOf(bytes, model, options);
  const { maxError, maxMagnitude } = compareOutputs(wanted, found);
  return { model, report, file, error: maxError / Math.max(1, maxMagnitude) };
}

async function outputsOf(bytes: Uint8Array, model: Model, options: SampleOptions) {
  const path = join(cases.folder, 'pruned.onnx');
  writeFileSync(path, bytes);
  await using running = await openForRuns(path, model.graph!);
  return await running.run(sampleInputs(model.graph!, options));
}

function interfaceOf({ graph }: Model) {
  return [...graph!.inputs, ...graph!.outputs].filter(
    ({ name }) => !graph!.initializers.some((one) => one.name === name),
  );
}

function shareGone({ parameters }: PruneFile): number {
  return 1 - parameters.after / parameters.before;
}

const blocks: fc.Arbitrary<Block> = fc.oneof(
  fc.record({
    kind: fc.constant('conv' as const),
    channels: fc.integer({ min: 4, max: 12 }),
    norm: fc.boolean(),
  }),
  fc.constant({ kind: 'depthwise' as const }),
  fc.record({ kind: fc.constant('residual' as const), inner: fc.integer({ min: 4, max: 12 }) }),
  fc.record({ kind: fc.constant('concat' as const), channels: fc.integer({ min: 3, max: 8 }) }),
  fc.record({ kind: fc.constant('squeeze' as const), inner: fc.integer({ min: 2, max: 6 }) }),
  fc.record({ kind: fc.constant('grouped' as const), groups: fc.integer({ min: 2, max: 4 }) }),
);

describe('prune', () => {
  test('gives what zeros would give, for nets of any blocks', async () => {
    const property = fc.asyncProperty(
      fc.record({
        stem: fc.integer({ min: 4, max: 12 }),
        blocks: fc.array(blocks, { minLength: 1, maxLength: 5 }),
        head: fc.constantFrom(
          'pool' as const,
          'flatten' as const,
          'reshape' as const,
          'mean' as const,
        ),
        hidden: fc.integer({ min: 4, max: 16 }),
      }),
      fc.record({
        parameters: fc.double({ min: 0.1, max: 0.7, noNaN: true }),
        importance: fc.constantFrom('l1', 'l2'),
        multiple: fc.constantFrom(1, 2, 4),
      }),
      async (net, config) => {
        const { error, file } = await pruned(convNet(net), config);
        expect(error).toBeLessThan(EQUAL);
        expect(file.parameters.after).toBeLessThan(file.parameters.before);
      },
    );
    await fc.assert(property, { numRuns: 60 });
  });

  test.each([
    ['gpt2', {}, ['heads', 'ffn']],
    ['gpt2', { past: true }, ['ffn']],
    ['bert', {}, ['heads', 'ffn']],
    ['bert', { computed: true }, ['heads', 'ffn']],
    ['llama', {}, ['heads', 'ffn']],
    ['llama', { keyHeads: 2, computed: true }, ['heads', 'ffn']],
  ] as const)('gives what zeros would give, for %s with %j', async (style, more, kinds) => {
    const shape = { style, layers: 2, width: 32, heads: 4, hidden: 64, vocabulary: 50, ...more };
    const sizes = { row: 5, past: 3, batch: 2 };
    const samples = { sizes, ranges: { input_ids: { min: 0, max: 49 }, mask: { min: 1, max: 1 } } };
    const { error, file, report } = await pruned(transformer(shape), {}, samples);
    console.log(style, more, shareGone(file), error, JSON.stringify(report));
    expect(error).toBeLessThan(EQUAL);
    void kinds;
  });

  test.each(Object.keys(REAL_MODELS))('%s runs, and as with zeros', async (name) => {
    const path = sharedData(`models/${name}`);
    if (path === undefined) return;
    const { error, file } = await pruned(await cases.read(path), {}, REAL_MODELS[name]);
    console.log(name, error, shareGone(file));
  });
});
