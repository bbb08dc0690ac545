import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compareOutputs } from '../../src/compress/compare.ts';
import { compilePass, type PassReport } from '../../src/compress/pass.ts';
import { int8Static } from '../../src/compress/passes/int8-static.ts';
import { prune } from '../../src/compress/passes/prune.ts';
import { openForRuns } from '../../src/compress/run-model.ts';
import {
  PLAIN_SAMPLES,
  type SampleOptions,
  sampleInputs,
} from '../../src/compress/sample-inputs.ts';
import type { OutputPart } from '../../src/infer/protocol.ts';
import { encodeModel } from '../../src/onnx/graph.ts';
import { inspectBytes } from '../../src/onnx/inspect.ts';
import type { Model, ValueInfo } from '../../src/onnx/proto.ts';
import { packageRoot } from '../../src/std/package.ts';
import { type Block, convNet } from '../fixtures/conv-models.ts';
import { createGraphBuilder } from '../fixtures/graph-builder.ts';
import { attribute, valueInfo } from '../fixtures/onnx-models.ts';
import { transformer } from '../fixtures/transformer-models.ts';
import { createPassCase, REAL_MODELS } from '../harness/compress-case.ts';
import { type PruneFile, withZeros } from '../harness/pruned-case.ts';
import { sharedData } from '../harness/shared-data.ts';

const cases = createPassCase();
const EQUAL = 1e-5;
/** Numbers of 11 bits, summed in another order. */
const EQUAL_HALF = 1e-3;

const GPT2 = {
  style: 'gpt2',
  layers: 2,
  width: 32,
  heads: 4,
  hidden: 64,
  vocabulary: 50,
} as const;
const SMALL = { stem: 8, blocks: [], head: 'pool', hidden: 8 } as const;
const SIZE = attribute('size', 3n);

interface Pruned {
  readonly model: Model;
  readonly report: PassReport;
  readonly file: PruneFile;
  /** Between the pruned model and the whole one with zeros where it lost something. */
  readonly error: number;
  /** Between the pruned model and the whole one. */
  readonly change: number;
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
  const whole = await outputsOf(encodeModel(before), before, options);
  const differenceFrom = (outputs: readonly OutputPart[]) => {
    const { maxError, maxMagnitude } = compareOutputs(outputs, found);
    return maxError / Math.max(1, maxMagnitude);
  };
  return { model, report, file, error: differenceFrom(wanted), change: differenceFrom(whole) };
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
    let changed = 0;
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
        const { error, file, change } = await pruned(convNet(net), config);
        expect(error).toBeLessThan(EQUAL);
        changed += change > error ? 1 : 0;
        expect(file.parameters.after).toBeLessThan(file.parameters.before);
      },
    );
    await fc.assert(property, { numRuns: 60 });
    // Zeros are no way out: without them most nets give something else.
    expect(changed).toBeGreaterThan(30);
  });

  test.each([
    ['gpt2', {}, ['heads', 'ffn']],
    ['gpt2', { past: true }, ['ffn']],
    ['bert', {}, ['heads', 'ffn']],
    ['bert', { computed: true }, ['heads', 'ffn']],
    ['llama', {}, ['heads', 'ffn']],
    ['llama', { keyHeads: 2, computed: true }, ['heads', 'ffn']],
  ] as const)('gives what zeros would give, for %s with %j', async (style, more, kinds) => {
    const shape = { ...GPT2, style, ...more };
    const sizes = { row: 5, past: 3, batch: 2 };
    const samples = { sizes, ranges: { input_ids: { min: 0, max: 49 }, mask: { min: 1, max: 1 } } };
    const config = { importance: 'l2' };
    const { error, file, report } = await pruned(transformer(shape), config, samples);
    expect(error).toBeLessThan(EQUAL);
    expect(shareGone(file)).toBeGreaterThan(0.2);
    const found = kinds.filter((kind) => (report.done[`groups of ${kind} removed`] ?? 0) > 0);
    expect(found).toEqual(kinds);
  });

  test('leaves heads whose cache is an input, with the reason, unless it may change', async () => {
    const shape = { ...GPT2, past: true };
    const samples = { sizes: { row: 5, past: 3 }, ranges: { input_ids: { min: 0, max: 49 } } };
    const kept = await pruned(transformer(shape), { importance: 'l1' }, samples);
    expect(kept.report.done).not.toHaveProperty('groups of heads found');
    expect(kept.report.left[0]?.reason).toMatch(/96 units: of the model's input past_key\.0/);
    const config = prune.schema.parse({ importance: 'l1', cache: true });
    const { model } = await compilePass(prune, config)(transformer(shape), {
      samples: [],
      folder: cases.folder,
    });
    const [before, after] = [transformer(shape), model].map(({ graph }) =>
      graph!.inputs.find(({ name }) => name === 'past_key.1'),
    );
    expect(sizesOf(before)).toEqual(['batch', 4n, 'past', 8n]);
    const [, heads] = sizesOf(after);
    expect(heads).toBeLessThan(4n);
    const smaller = { ...samples, seed: 1 };
    const outputs = await outputsOf(encodeModel(model), model, { ...PLAIN_SAMPLES, ...smaller });
    expect(outputs[3]?.shape).toEqual([1, Number(heads), 8, 8]);
  });

  test.each([
    ['mlperf-tiny/ad01_toycar', 0.4],
    ['mlperf-tiny/ic_resnet8', 0.4],
    ['mlperf-tiny/kws_ref', 0.4],
    ['mlperf-tiny/vww_96', 0.4],
    ['openwakeword/alexa_v0.1', 0.4],
    ['openwakeword/embedding_model', 0.4],
    ['squeezenet/SqueezeNet_fp16', 0.4],
    ['ultraface/version-RFB-320', 0.4],
    // A third of it are tables that stay.
    ['tiny-random-gpt2/past', 0.2],
  ])(
    'takes two fifths of %s, or what there is, and gives what zeros would give',
    async (name, least) => {
      const path = sharedData(`models/${name}.onnx`);
      if (path === undefined) return;
      const before = await cases.read(path);
      const { error, file } = await pruned(
        before,
        { importance: 'l2' },
        REAL_MODELS[`${name}.onnx`],
      );
      expect(shareGone(file)).toBeGreaterThan(least);
      expect(error).toBeLessThan(name.includes('fp16') ? EQUAL_HALF : EQUAL);
    },
  );

  test.each(['keyword-spotting', 'surface-inspection'])('takes two fifths of %s', async (flow) => {
    const before = await cases.read(join(packageRoot, 'flows', flow, 'model.onnx'));
    const { error, file } = await pruned(before, { importance: 'l2' });
    expect(shareGone(file)).toBeGreaterThan(0.4);
    expect(error).toBeLessThan(EQUAL);
  });

  test.each(['dtln/model_1', 'silero-vad/silero_vad'])('leaves %s, which is LSTM', async (name) => {
    const path = sharedData(`models/${name}.onnx`);
    if (path === undefined) return;
    const before = await cases.read(path);
    const { model, file } = await pruned(before, {}, REAL_MODELS[`${name}.onnx`]);
    expect(model).toBe(before);
    expect(file.initialisers).toEqual([]);
  });

  test.each(['taylor', 'ablation'])('by %s takes the channels that do not matter', async (by) => {
    const net = convNet({
      stem: 8,
      blocks: [{ kind: 'conv', channels: 8, norm: false }],
      head: 'pool',
      hidden: 8,
    });
    // What reads the channels 1, 2, 5 and 6 of the first layer hardly hears them.
    const quiet = new Set([1, 2, 5, 6]);
    const { graph } = net;
    const initializers = graph!.initializers.map((one) => {
      if (one.name !== 'w2') return one;
      const data = new Float32Array(new Uint8Array(one.rawData!).buffer);
      for (let at = 0; at < data.length; at += 1) {
        if (quiet.has(Math.floor(at / 9) % 8)) data[at]! *= 1e-3;
      }
      return { ...one, rawData: new Uint8Array(data.buffer) };
    });
    const model = { ...net, graph: { ...graph!, initializers } };
    const config = { importance: by, parameters: 0.3, scope: ['channels'], keepShareMin: 0.5 };
    const { file } = await pruned(model, config);
    const first = file.initialisers.find(({ name, axis }) => name === 'w0' && axis === 0);
    expect(first?.kept).toEqual([0, 3, 4, 7]);
  });

  test('keeps what the recipe says', async () => {
    const net = convNet({
      stem: 12,
      blocks: [{ kind: 'residual', inner: 9 }],
      head: 'flatten',
      hidden: 10,
    });
    const config = { importance: 'l1', parameters: 0.9 };
    const widths = async (more: object) => {
      const { file } = await pruned(net, { ...config, ...more });
      return Object.fromEntries(
        file.initialisers
          .filter(({ axis }) => axis === 0)
          .map((one) => [one.name, one.kept.length]),
      );
    };
    const all = await widths({});
    expect(all).toMatchObject({ w0: 4, w2: 4, w12: 4 });
    expect(await widths({ multiple: 1, keepShareMin: 0 })).toMatchObject({ w0: 2, w2: 3, w12: 2 });
    expect(await widths({ multiple: 1, keepShareMin: 0, keepMin: 5 })).toMatchObject({ w2: 5 });
    expect(await widths({ scope: ['ffn'] })).toEqual({ w12: 4, w13: 4, w14: 4 });
    expect(await widths({ exclude: ['w0'] })).not.toHaveProperty('w0');
  });

  test('leaves what an unknown operator touches, and names it', async () => {
    const net = convNet({
      stem: 8,
      blocks: [{ kind: 'conv', channels: 8, norm: false }],
      head: 'pool',
      hidden: 8,
    });
    const { graph } = net;
    const nodes = graph!.nodes.map((one) =>
      one.name === 'Relu_1' ? { ...one, name: 'odd', operator: 'LRN', attributes: [SIZE] } : one,
    );
    const model = { ...net, graph: { ...graph!, nodes } };
    const { report, error } = await pruned(model, { importance: 'l2' });
    expect(error).toBeLessThan(EQUAL);
    expect(report.left).toContainEqual({
      where: 'Conv_0',
      reason: '8 units: LRN is not followed (at odd)',
    });
  });

  test('leaves an axis whose size the graph computes with', async () => {
    const g = createGraphBuilder();
    const first = g.add('Conv', ['x', g.weights([8, 3, 1, 1])]);
    const second = g.add('Conv', [first, g.weights([8, 8, 1, 1])]);
    const size = g.add('Gather', [g.add('Shape', [first]), g.wholes(1)]);
    const row = g.add('ConstantOfShape', [size]);
    const mean = g.add('ReduceMean', [second], { axes: [2n, 3n], keepdims: 0n });
    g.output('y', g.add('MatMul', [mean, g.weights([8, 4])]));
    g.output('z', row);
    const ends = {
      inputs: [valueInfo('x', 'float32', ['N', 3, 4, 4])],
      outputs: [valueInfo('y', 'float32', ['N', 4]), valueInfo('z', 'float32', [8])],
    };
    const { report, file, error } = await pruned(g.model(ends), { importance: 'l1' });
    expect(error).toBeLessThan(EQUAL);
    const reason = '8 units: its size is computed with (at ConstantOfShape_4)';
    expect(report.left).toContainEqual({ where: 'Conv_0', reason });
    expect(file.initialisers.map(({ name, axis }) => `${name}.${axis}`)).toEqual(['w1.0', 'w3.0']);
  });

  test('refuses a quantised model', async () => {
    const { model } = await cases.apply(convNet(SMALL), int8Static);
    const compiled = compilePass(prune, prune.schema.parse({}));
    await expect(compiled(model, { samples: [], folder: cases.folder })).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringMatching(/is (De)?[qQ]uantizeLinear; prune before quantising/),
    });
  });

  test('shares of a vector go apart where layers share it', async () => {
    const net = convNet({ ...SMALL, blocks: [{ kind: 'conv', channels: 8, norm: false }] });
    const { graph } = net;
    // Both layers have 8 channels: the second takes the shift of the first.
    const nodes = graph!.nodes.map((one) => ({
      ...one,
      inputs: one.inputs.map((name) => (name === 'w3' ? 'w1' : name)),
    }));
    const initializers = graph!.initializers.filter(({ name }) => name !== 'w3');
    const model = { ...net, graph: { ...graph!, nodes, initializers } };
    const { file, error } = await pruned(model, { importance: 'l2', parameters: 0.6 });
    const parts = file.initialisers.filter(({ name }) => name === 'w1');
    expect(parts.map(({ as }) => as)).toEqual(['w1_pruned', 'w1_pruned_1']);
    expect(error).toBeLessThan(EQUAL);
  });
});

function sizesOf(value: ValueInfo | undefined) {
  return value?.type?.tensor?.shape?.dims.map(({ size, symbol }) => size ?? symbol) ?? [];
}
