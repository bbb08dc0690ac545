import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Peaks } from '../../../src/compress/profile/peaks.ts';
import type { Profile } from '../../../src/compress/profile/profile.ts';
import { type ProfileOptions, profileModel } from '../../../src/compress/profile/profile-model.ts';
import { encodeModel } from '../../../src/onnx/graph.ts';
import { splitWeights } from '../../../src/onnx/split-weights.ts';
import {
  attribute,
  constant,
  graph,
  model,
  modelBytes,
  node,
  valueInfo,
  weights,
} from '../../fixtures/onnx-models.ts';
import { sharedData } from '../../harness/shared-data.ts';

const folder = mkdtempSync(join(tmpdir(), 'ledge-profile-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Measured once: most of what is asked here does not depend on it. */
let machine: Peaks | undefined;

async function profiled(file: string, options: Partial<ProfileOptions> = {}): Promise<Profile> {
  const known = machine && { machine };
  const signal = new AbortController().signal;
  const found = await profileModel({ file, runs: 12, signal, ...known, ...options });
  machine ??= found.machine;
  return found;
}

function written(name: string, bytes: Uint8Array): string {
  const file = join(folder, name);
  writeFileSync(file, bytes);
  return file;
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** A product of 512 rows with 1 MB of weights, then one number added to each of the result. */
const product = model({
  nodes: [
    node('MatMul', [['x', 'w'], ['h']], { name: 'net/huge' }),
    node('Add', [['h', 'b'], ['y']], { name: 'net/tiny' }),
  ],
  initializers: [weights('w', [512, 512]), weights('b', [1])],
  inputs: [valueInfo('x', 'float32', ['N', 512])],
  outputs: [valueInfo('y', 'float32', ['N', 512])],
});

describe('profiling a model', () => {
  const file = written('product.onnx', modelBytes(product));

  test('finds a huge product beside a tiny sum, and what each does', async () => {
    const found = await profiled(file, { sizes: { N: 512 }, runs: 30 });
    const [huge, tiny] = found.nodes;
    expect(found.nodes.map(({ name }) => name)).toEqual(['net/huge', 'net/tiny']);
    expect(huge?.share).toBeGreaterThan(0.8);
    expect(huge).toMatchObject({ operations: 2 * 512 ** 3, weightBytes: 4 * 512 ** 2, calls: 1 });
    expect(huge?.bytes).toBe(3 * 4 * 512 ** 2);
    expect(tiny?.operations).toBe(512 ** 2);
    expect(found.operators.map(({ operator }) => operator)).toEqual(['MatMul', 'Add']);
    expect(found.run.runs).toBe(30);
    expect(found.memory.weightBytes).toBe(4 * 512 ** 2 + 4);
    expect(found.memory.activations.totalBytes).toBe(2 * 4 * 512 ** 2);
    expect(found.memory.largest[0]).toMatchObject({ bytes: 4 * 512 ** 2 });
    expect(found.machine.floatGflops).toBeGreaterThan(0);
    expect(found.machine.gigabytesPerSecond).toBeGreaterThan(0);
  });

  test('shares sum to 1, of nodes, operators and causes', async () => {
    const { nodes, operators, betweenShare, verdict } = await profiled(file);
    expect(sum(nodes.map(({ share }) => share)) + betweenShare).toBeCloseTo(1, 9);
    expect(sum(operators.map(({ share }) => share)) + betweenShare).toBeCloseTo(1, 9);
    expect(sum(Object.values(verdict.shares))).toBeCloseTo(1, 9);
    for (const { roofShare, lowMs, highMs, ms } of nodes) {
      expect(roofShare).toBeGreaterThanOrEqual(0);
      expect(roofShare).toBeLessThanOrEqual(1);
      expect(lowMs).toBeLessThanOrEqual(highMs);
      expect(ms).toBeGreaterThanOrEqual(0);
    }
  });

  test('names what the runtime fused by the nodes of the file', async () => {
    const gelu = model({
      nodes: [
        node('Gemm', [['x', 'w'], ['h']], { name: 'dense' }),
        node('Relu', [['h'], ['y']], { name: 'active' }),
      ],
      initializers: [weights('w', [8, 8])],
      inputs: [valueInfo('x', 'float32', [1, 8])],
      outputs: [valueInfo('y', 'float32', [1, 8])],
    });
    const { nodes } = await profiled(written('fused.onnx', modelBytes(gelu)));
    expect(nodes).toMatchObject([
      { name: 'dense', operator: 'FusedGemm', does: 'Gemm+Relu', from: ['dense', 'active'] },
    ]);
  });

  test('counts what runs in a loop with all its turns, apart from the loop itself', async () => {
    const body = graph({
      nodes: [
        node('Identity', [['go'], ['goOn']], { name: 'go-on' }),
        node('Neg', [['state'], ['next']], { name: 'turn' }),
      ],
      inputs: [
        valueInfo('turn', 'int64', []),
        valueInfo('go', 'bool', []),
        valueInfo('state', 'float32', [1, 8]),
      ],
      outputs: [valueInfo('goOn', 'bool', []), valueInfo('next', 'float32', [1, 8])],
    });
    const loop = model({
      nodes: [
        node('Loop', [['times', '', 'x'], ['y']], {
          name: 'around',
          attributes: [attribute('body', body)],
        }),
      ],
      initializers: [constant('times', 'int64', { dims: [], data: BigInt64Array.of(7n) })],
      inputs: [valueInfo('x', 'float32', [1, 8])],
      outputs: [valueInfo('y', 'float32', [1, 8])],
    });
    const { nodes } = await profiled(written('loop.onnx', modelBytes(loop)));
    const callsOf = (name: string) => nodes.find((one) => one.name === name)?.calls;
    expect({ around: callsOf('around'), turn: callsOf('turn') }).toEqual({ around: 1, turn: 7 });
    expect(nodes.find(({ name }) => name === 'turn')?.operations).toBe(7 * 8);
  });

  test.each(['a"b\nc', '","args" : {'])('takes a node named %j', async (name) => {
    const odd = model({
      nodes: [node('Neg', [['x'], ['y']], { name })],
      inputs: [valueInfo('x', 'float32', [1, 8])],
      outputs: [valueInfo('y', 'float32', [1, 8])],
    });
    const { nodes } = await profiled(written('odd.onnx', modelBytes(odd)), { runs: 2 });
    expect(nodes).toMatchObject([{ name, operator: 'Neg', operations: 8 }]);
  });

  test('reads weights in files beside the model', async () => {
    const split = splitWeights(product, 2_000_000);
    for (const { name, pieces } of split.files) {
      written(name, Buffer.concat(pieces.map(({ data }) => data)));
    }
    const apart = written('apart.onnx', encodeModel(split.model));
    const { memory, nodes } = await profiled(apart, { runs: 2 });
    expect(split.files.length).toBeGreaterThan(0);
    expect(memory.weightBytes).toBe(4 * 512 ** 2 + 4);
    expect(nodes[0]?.weightBytes).toBe(4 * 512 ** 2);
  });

  test('names the free dimensions where a size is for none of them', async () => {
    await expect(profiled(file, { sizes: { M: 2 } })).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringMatching(/no free dimension "M"; free are N \(x\.0\)/),
    });
  });

  test('leaves nothing behind when it is stopped', async () => {
    const before = leftovers();
    const stop = new AbortController();
    const stopped = profileModel({ file, signal: stop.signal });
    setImmediate(() => stop.abort());
    await expect(stopped).rejects.toThrow();
    expect(leftovers()).toEqual(before);
  });
});

function leftovers(): string[] {
  return readdirSync(tmpdir()).filter((name) => /^ledge-profile-(?!test)/.test(name));
}

const models = sharedData('models');
const listed =
  models === undefined ? [] : readdirSync(models, { recursive: true, encoding: 'utf8' });
/** Of the community's wake words, which are alike, one for each kind of net: more would take half a minute. */
const ALIKE = /community\/(?!alfred|jarvis|lara)/;
const files = listed.filter((name) => name.endsWith('.onnx') && !ALIKE.test(name)).sort();

/** Models that cannot run on inputs of size 1. */
const SIZES: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  'openwakeword/melspectrogram.onnx': { samples: 1280 },
  'silero-vad/silero_vad.onnx': { 'input.1': 288 },
  'silero-vad/silero_vad_16k_op15.onnx': { 'input.1': 576 },
};

describe.skipIf(models === undefined)('of the models in ../shared/data', () => {
  test.each(files.filter((name) => !name.startsWith('hostile/')))('%s profiles', async (name) => {
    const sizes = SIZES[name] ?? {};
    const found = await profiled(join(models ?? '', name), { sizes, runs: 3 });
    expect(found.nodes.length).toBeGreaterThan(0);
    expect(sum(found.nodes.map(({ share }) => share)) + found.betweenShare).toBeCloseTo(1, 6);
    expect(found.verdict.sentence).toMatch(/^[^.]*\d+ %.*\.$/);
    const heavy = found.nodes.filter(({ operator }) => /Conv|MatMul|Gemm|LSTM|GRU/.test(operator));
    // A product of nothing would say that its shapes were not found.
    for (const { operations, from } of heavy) {
      expect(operations).toBeGreaterThan(0);
      expect(from.length).toBeGreaterThan(0);
    }
  });

  test.each(files.filter((name) => name.startsWith('hostile/')))('%s is refused', async (name) => {
    await expect(profiled(join(models ?? '', name))).rejects.toMatchObject({
      code: 'model-refused',
    });
  });
});
