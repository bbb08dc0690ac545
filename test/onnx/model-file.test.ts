import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { compareOutputs } from '../../src/compress/compare.ts';
import { openForRuns } from '../../src/compress/run-model.ts';
import { PLAIN_SAMPLES, sampleInputs } from '../../src/compress/sample-inputs.ts';
import { encodeModel, ONNX_LIMITS, parseModel } from '../../src/onnx/graph.ts';
import { inspectModel } from '../../src/onnx/inspect.ts';
import type { Originals } from '../../src/onnx/message.ts';
import { readModelFile } from '../../src/onnx/model-file.ts';
import type { Model } from '../../src/onnx/proto.ts';
import { splitWeights } from '../../src/onnx/split-weights.ts';
import { LedgeError } from '../../src/std/error.ts';
import {
  matmulModel,
  model,
  modelBytes,
  node,
  valueInfo,
  weights,
} from '../fixtures/onnx-models.ts';
import { onnxTestdata } from '../harness/onnx-testdata.ts';
import { sharedData } from '../harness/shared-data.ts';

const folder = mkdtempSync(join(tmpdir(), 'ledge-model-file-'));
afterAll(() => rmSync(folder, { recursive: true }));

const models = sharedData('models');
const realModels =
  models === undefined
    ? []
    : readdirSync(models, { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.onnx') && !name.startsWith('hostile'))
        .sort();
/** What the plain samples (free sizes 1, small numbers) do not fit. */
const SAMPLES: Readonly<Record<string, Partial<typeof PLAIN_SAMPLES>>> = {
  'tiny-random-gpt2/past.onnx': { sizes: { total_sequence: 2 } },
  'silero-vad/silero_vad.onnx': {
    sizes: { 'input.1': 512 },
    ranges: { sr: { min: 16_000, max: 16_000 } },
  },
  'silero-vad/silero_vad_16k_op15.onnx': {
    sizes: { 'input.1': 512 },
    ranges: { sr: { min: 16_000, max: 16_000 } },
  },
  'openwakeword/melspectrogram.onnx': { sizes: { 'input.1': 1280 } },
  'openwakeword/embedding_model.onnx': { sizes: { 'input_1.1': 76 } },
};

/** The model with its own two top messages made anew, so that all others are put back one by one. */
function touched(one: Model): Model {
  return { ...one, ...(one.graph && { graph: { ...one.graph } }) };
}

function write(name: string, bytes: Uint8Array): string {
  const file = join(folder, name);
  writeFileSync(file, bytes);
  return file;
}

async function outputsOf(file: string, one: Model, options = PLAIN_SAMPLES) {
  if (one.graph === undefined) throw new Error('the model has no graph');
  await using running = await openForRuns(file, one.graph);
  return await running.run(sampleInputs(one.graph, options));
}

describe('a model that was read', () => {
  test('comes back with the form its writer gave it, where its messages were not touched', () => {
    // ir_version 8 as a varint of three bytes, an opset import with its fields the wrong way round,
    // and a graph: a name, then one node with its operator before its inputs.
    const node = [0x22, 4, ...Buffer.from('Relu'), 0x0a, 1, 0x78, 0x12, 1, 0x79];
    const inner = [0x12, 1, 0x67, 0x0a, node.length, ...node];
    const bytes = Uint8Array.of(
      0x08,
      0x88,
      0x80,
      0,
      0x42,
      4,
      0x10,
      13,
      0x0a,
      0,
      0x3a,
      inner.length,
      ...inner,
    );
    const originals: Originals = new WeakMap();
    const read = parseModel(bytes, ONNX_LIMITS, originals);
    expect(encodeModel(read, originals)).toEqual(bytes);
    expect(encodeModel(read)).not.toEqual(bytes);
    const again = Buffer.from(encodeModel(touched(read), originals));
    expect(again.includes(Buffer.from(node))).toBe(true);
    expect(again.includes(Buffer.from([0x42, 4, 0x10, 13, 0x0a, 0]))).toBe(true);
  });

  test('is refused with a code where it is over the limit or does not parse', async () => {
    const file = write('small.onnx', modelBytes(matmulModel({ inputs: 2, outputs: 2 })));
    await expect(readModelFile(file, { fileBytesMax: 10 })).rejects.toMatchObject({
      code: 'model-invalid',
    });
    await expect(readModelFile(join(folder, 'none.onnx'))).rejects.toMatchObject({
      code: 'not-found',
    });
  });

  test('generated at random comes back the same, and cut or changed is read or refused', () => {
    const names = fc.constantFrom('a', 'b', 'c', 'd');
    const nodes = fc.array(
      fc.record({ operator: fc.constantFrom('Add', 'Relu'), from: names, to: names }),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(nodes, fc.nat(), fc.nat(255), (made, place, byte) => {
        const fixture = model({
          nodes: made.map(({ operator, from, to }) => node(operator, [[from], [to]])),
          initializers: [weights('w', [made.length + 1, 3])],
          inputs: [valueInfo('a', 'float32', ['N', 3])],
        });
        const bytes = modelBytes(fixture);
        const originals: Originals = new WeakMap();
        const read = parseModel(bytes, ONNX_LIMITS, originals);
        expect(encodeModel(touched(read), originals)).toEqual(bytes);
        const changed = bytes.slice();
        changed[place % bytes.length] = byte;
        for (const bad of [bytes.subarray(0, place % bytes.length), changed]) {
          try {
            const back = parseModel(bad, ONNX_LIMITS, originals);
            expect(encodeModel(back, originals)).toEqual(bad);
          } catch (error) {
            expect(error).toBeInstanceOf(LedgeError);
            expect((error as LedgeError).code).toBe('model-invalid');
          }
        }
      }),
      { numRuns: 300, seed: 5 },
    );
  });
});

describe('weights in files beside the model', () => {
  const fixture = model({
    nodes: [node('MatMul', [['x', 'w'], ['h']]), node('MatMul', [['h', 'v'], ['y']])],
    initializers: [weights('w', [32, 32]), weights('v', [32, 32])],
    inputs: [valueInfo('x', 'float32', ['N', 32])],
    outputs: [valueInfo('y', 'float32', ['N', 32])],
  });

  function writeSplit(bytesMax: number): readonly { name: string; bytes: number }[] {
    const { model: split, files } = splitWeights(fixture, bytesMax);
    for (const { name, pieces, bytes } of files) {
      const data = new Uint8Array(bytes);
      for (const piece of pieces) data.set(piece.data, piece.offset);
      write(name, data);
    }
    write('split.onnx', modelBytes(split));
    return files;
  }

  test('hold equal numbers once, keep to their limit, and read back the same', async () => {
    expect(writeSplit(4096)).toHaveLength(1);
    const { model: back, externalBytes } = await readModelFile(join(folder, 'split.onnx'));
    expect(externalBytes).toBe(2 * 4096);
    expect(back.graph?.initializers.map(({ rawData }) => rawData)).toEqual(
      fixture.graph?.initializers.map(({ rawData }) => rawData),
    );
    const { problems } = await inspectModel(join(folder, 'split.onnx'));
    expect(problems).toEqual([]);
    const [reference, found] = [
      await outputsOf(write('whole.onnx', modelBytes(fixture)), fixture),
      await outputsOf(join(folder, 'split.onnx'), fixture),
    ];
    expect(compareOutputs(reference, found).maxError).toBe(0);
  });

  test('are refused where one constant alone is over the limit, or a file is cut', async () => {
    expect(() => splitWeights(fixture, 2048)).toThrow(/"w" alone has 4096 bytes/);
    const [file] = writeSplit(4096);
    write(file!.name, new Uint8Array(100));
    await expect(readModelFile(join(folder, 'split.onnx'))).rejects.toMatchObject({
      code: 'model-invalid',
      message: expect.stringMatching(/has 100 bytes, 4096 are needed/),
    });
  });
});

describe.skipIf(models === undefined)('real models (../shared/data/models)', () => {
  test.each(realModels)('%s read, touched and written gives the same outputs', async (name) => {
    const path = join(models!, name);
    const { model: read, originals } = await readModelFile(path);
    const bytes = encodeModel(touched(read), originals);
    expect(Buffer.compare(bytes, readFileSync(path))).toBe(0);
    const options = { ...PLAIN_SAMPLES, ...SAMPLES[name] };
    const [reference, found] = [
      await outputsOf(path, read, options),
      await outputsOf(write('copy.onnx', bytes), read, options),
    ];
    expect(compareOutputs(reference, found)).toMatchObject({ maxError: 0 });
    expect(reference.length).toBeGreaterThan(0);
  });
});

const testdata = onnxTestdata();

describe.skipIf(testdata.length === 0)('libonnx-testdata (folder in LEDGE_ONNX_TESTDATA)', () => {
  test('every model is read and written to the same numbers; those that run give the same outputs', async () => {
    const counts = { models: 0, refused: 0, ran: 0, failedBefore: 0 };
    for (const path of testdata) {
      const { model: read, originals } = await readModelFile(path);
      counts.models += 1;
      const bytes = encodeModel(touched(read), originals);
      expect(Buffer.compare(encodeModel(parseModel(bytes)), encodeModel(read)), path).toBe(0);
      const { problems } = await inspectModel(path);
      if (problems.length > 0) {
        counts.refused += 1;
        continue;
      }
      const reference = await outputsOf(path, read).catch(() => undefined);
      if (reference === undefined) {
        counts.failedBefore += 1;
        continue;
      }
      const found = await outputsOf(write('copy.onnx', bytes), read);
      const random = [...(read.graph?.nodes ?? [])].some(({ operator }) =>
        /Random|Bernoulli|Multinomial|Dropout/.test(operator ?? ''),
      );
      if (!random) expect(compareOutputs(reference, found).maxError, path).toBe(0);
      counts.ran += 1;
    }
    console.info('libonnx-testdata', JSON.stringify(counts));
    expect(counts.ran).toBeGreaterThan(500);
  }, 600_000);
});
