import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import type { OnnxLimits } from '../../src/onnx/graph.ts';
import { inspectBytes, inspectModel } from '../../src/onnx/inspect.ts';
import type { Model, ModelFunction, TensorRecord } from '../../src/onnx/proto.ts';
import { FREE } from '../../src/tensor/tensor.ts';
import {
  attribute,
  castModel,
  constant,
  graph,
  matmulModel,
  model,
  modelBytes,
  node,
  runningSumModel,
  valueInfo,
  weights,
} from '../fixtures/onnx-models.ts';
import { sharedData } from '../harness/shared-data.ts';

const NONE = { unknown: [] } as const;
const x = valueInfo('x', 'float32', [4]);
const y = valueInfo('y', 'float32', [4]);
const relu = node('Relu', [['x'], ['y']]);
const ends = { inputs: [x], outputs: [y] };

async function problemsOf(fixture: Model, limits: Partial<OnnxLimits> = {}): Promise<string[]> {
  const { problems } = await inspectBytes(modelBytes(fixture), { limits });
  return problems.map(({ where, message }) => `${where}: ${message}`);
}

function withWeights(w: TensorRecord): Model {
  return model({ nodes: [node('Add', [['x', 'w'], ['y']])], initializers: [w], ...ends });
}

function withFunctions(functions: readonly ModelFunction[], first: string): Model {
  const nodes = [node(first, [['x'], ['y']], { domain: 'own' })];
  const opsetImports = [
    { ...NONE, version: 17n },
    { ...NONE, domain: 'own', version: 1n },
  ];
  return model({ nodes, ...ends }, { functions, opsetImports });
}

function functionOf(name: string, calls: readonly string[]): ModelFunction {
  const nodes = calls.map((called, at) =>
    node(called, [[at === 0 ? 'a' : `t${at}`], [at === calls.length - 1 ? 'b' : `t${at + 1}`]], {
      domain: called === 'Relu' ? '' : 'own',
    }),
  );
  const opsetImports = [{ ...NONE, version: 17n }];
  return { ...NONE, name, domain: 'own', inputs: ['a'], outputs: ['b'], nodes, opsetImports };
}

function branchTo(name: string) {
  return graph({
    nodes: [node('Abs', [['x'], [name]])],
    outputs: [valueInfo(name, 'float32', [4])],
  });
}

describe('the summary of a model', () => {
  test('tells inputs, outputs, operators, size and precision', async () => {
    const bytes = modelBytes(matmulModel({ inputs: 3, outputs: 2 }));
    expect(await inspectBytes(bytes)).toEqual({
      problems: [],
      summary: {
        irVersion: 8,
        producer: 'ledge-tests',
        opsets: { '': 17 },
        inputs: [{ name: 'x', type: 'float32', shape: [FREE, 3] }],
        outputs: [{ name: 'y', type: 'float32', shape: [FREE, 2] }],
        operators: { MatMul: 1 },
        parameters: 6,
        weightBytes: 24,
        fileBytes: bytes.length,
        precision: 'fp32',
      },
    });
  });

  test('leaves out inputs that are initialisers', async () => {
    const w = valueInfo('w', 'float32', [4]);
    const fixture = withWeights(weights('w', [4]));
    const both = { ...fixture, graph: graph({ ...fixture.graph, inputs: [x, w] }) };
    const { summary, problems } = await inspectBytes(modelBytes(both));
    expect(problems).toEqual([]);
    expect(summary?.inputs.map(({ name }) => name)).toEqual(['x']);
  });

  test('names the precision of a quantised model by its weights', async () => {
    const fixture = model({
      nodes: [node('DequantizeLinear', [['w', 's'], ['d']]), node('MatMul', [['x', 'd'], ['y']])],
      initializers: [
        constant('w', 'int8', { dims: [4, 4], data: new Int8Array(16) }),
        constant('s', 'float32', { dims: [], data: Float32Array.of(0.1) }),
      ],
      ...ends,
    });
    const { summary, problems } = await inspectBytes(modelBytes(fixture));
    expect(problems).toEqual([]);
    expect(summary).toMatchObject({ precision: 'int8', parameters: 17, weightBytes: 20 });
  });

  test('counts the operators of subgraphs and reads a negative size as free', async () => {
    const branch = graph({
      nodes: [node('Relu', [['x'], ['z']])],
      outputs: [valueInfo('z', 'float32', [-1])],
    });
    const attributes = [attribute('then_branch', branch), attribute('else_branch', branch)];
    const fixture = model({
      nodes: [node('If', [['c'], ['y']], { attributes })],
      inputs: [valueInfo('x', 'float32', [-1]), valueInfo('c', 'bool', [])],
      outputs: [y],
    });
    const { summary, problems } = await inspectBytes(modelBytes(fixture));
    expect(problems).toEqual([]);
    expect(summary?.operators).toEqual({ If: 1, Relu: 2 });
    expect(summary?.inputs[0]?.shape).toEqual([FREE]);
  });
});

describe('a model is refused', () => {
  const i64 = (values: readonly number[]) =>
    constant('s', 'int64', {
      dims: [values.length],
      data: BigInt64Array.from(values.map(BigInt)),
    });
  const cases: readonly (readonly [string, Model, RegExp])[] = [
    ['without outputs', model({ nodes: [relu], inputs: [x] }), /graph: it has no outputs/],
    [
      'without an operator set',
      model({ nodes: [relu], ...ends }, { opsetImports: [] }),
      /opset_import: .* no operator set/,
    ],
    ['of a later format', model({ nodes: [relu], ...ends }, { irVersion: 14n }), /version 14/],
    [
      'of a later operator set',
      model({ nodes: [relu], ...ends }, { opsetImports: [{ ...NONE, version: 27n }] }),
      /opset_import ai.onnx: version 27, onnxruntime knows 1 to 26/,
    ],
    [
      'with an operator later than its set',
      model({ nodes: [node('Gelu', [['x'], ['y']])], ...ends }),
      /Gelu is not in version 17/,
    ],
    [
      'with an operator that does not exist',
      model({ nodes: [node('Reluu', [['x'], ['y']])], ...ends }),
      /Reluu: onnxruntime has no operator Reluu/,
    ],
    [
      'with an operator of an unknown domain',
      model({ nodes: [node('Relu', [['x'], ['y']], { domain: 'mine' })], ...ends }),
      /mine.Relu is of a domain/,
    ],
    [
      'whose output has no type',
      model({ nodes: [relu], inputs: [x], outputs: [{ ...NONE, name: 'y' }] }),
      /y: the output has no type/,
    ],
    [
      'whose output is a sequence',
      model({
        nodes: [relu],
        inputs: [x],
        outputs: [{ ...NONE, name: 'y', type: { ...NONE, sequence: NONE } }],
      }),
      /y: the output is a sequence/,
    ],
    [
      'whose input has no shape',
      model({ nodes: [relu], inputs: [valueInfo('x', 'float32')], outputs: [y] }),
      /x: the input has no shape/,
    ],
    [
      'whose input is absurdly large',
      model({ nodes: [relu], inputs: [valueInfo('x', 'float32', [65536, 65536])], outputs: [y] }),
      /x: the input has 17179869184 bytes/,
    ],
    ['with too few weights', withWeights({ ...weights('w', [3]), dims: [4n] }), /w: 12 bytes/],
    ['with too many weights', withWeights({ ...weights('w', [5]), dims: [4n] }), /w: 20 bytes/],
    [
      'with weights of an impossible shape',
      withWeights({ ...weights('w', [4]), dims: [2n ** 62n, 4n] }),
      /w: the constant has the impossible shape/,
    ],
    [
      'with weights of a negative shape',
      withWeights({ ...weights('w', [4]), dims: [-4n] }),
      /impossible shape \[-4\]/,
    ],
    [
      'with typed weights that do not fill the shape',
      withWeights({ ...constant('w', 'float32', { dims: [4] }), floatData: new Uint8Array(12) }),
      /w: 3 numbers of data for 4/,
    ],
    [
      'that makes a huge tensor of a few bytes',
      model({
        nodes: [node('ConstantOfShape', [['s'], ['y']])],
        initializers: [i64([100_000, 100_000])],
        ...ends,
      }),
      /ConstantOfShape: it makes a tensor of 10000000000/,
    ],
    [
      'with an undefined input of a node',
      model({ nodes: [node('Add', [['x', 'q'], ['y']], { name: 'sum' })], ...ends }),
      /sum: its input "q" is not defined/,
    ],
    [
      'with an undefined output',
      model({ nodes: [node('Relu', [['x'], ['z']])], ...ends }),
      /y: the output is not defined/,
    ],
    ['with a name taken', model({ nodes: [relu, relu], ...ends }), /y: the output of a node/],
    [
      'with two initialisers of one name',
      model({
        nodes: [node('Add', [['x', 'w'], ['y']])],
        initializers: [weights('w', [4]), weights('w', [4])],
        ...ends,
      }),
      /two of them have the same name/,
    ],
    [
      'with a circle',
      model({ nodes: [node('Add', [['x', 'z'], ['y']]), node('Relu', [['y'], ['z']])], ...ends }),
      /wait for each other in a circle/,
    ],
    [
      'whose subgraph defines a name again',
      model({
        nodes: [
          node('Relu', [['x'], ['q']]),
          node('If', [['c'], ['y']], {
            attributes: [attribute('then_branch', branchTo('q'))],
          }),
        ],
        inputs: [x, valueInfo('c', 'bool', [])],
        outputs: [y],
      }),
      /q: the output of a node has a name taken/,
    ],
    ['whose function calls itself', withFunctions([functionOf('f', ['f'])], 'f'), /calls itself/],
    [
      'whose functions double at every step',
      withFunctions(
        Array.from({ length: 40 }, (_, at) =>
          functionOf(`f${at}`, at === 39 ? ['Relu'] : [`f${at + 1}`, `f${at + 1}`]),
        ),
        'f0',
      ),
      /it has \d+ nodes, the limit is 50000/,
    ],
    [
      'whose functions nest without end',
      withFunctions(
        Array.from({ length: 20_000 }, (_, at) => functionOf(`f${at}`, [`f${at + 1}`])),
        'f0',
      ),
      /more than 64 deep/,
    ],
  ];

  test.each(cases)('%s', async (_, fixture, expected) => {
    expect((await problemsOf(fixture)).join('\n')).toMatch(expected);
  });

  test.each([
    'string',
    'complex64',
    'bfloat16',
    'float8e4m3fn',
    'uint4',
    'int4',
    'float4e2m1',
    'int2',
  ])('with an output of type %s', async (type) => {
    expect(await problemsOf(castModel(type))).toEqual([
      `y: the output has the type ${type}, which cannot be passed`,
    ]);
  });

  test('over its limits of nodes, tensor and file bytes', async () => {
    const fixture = matmulModel({ inputs: 8, outputs: 8 });
    expect(await problemsOf(fixture, { tensorBytesMax: 255 })).toEqual([
      'w: the constant has 256 bytes, the limit is 255',
    ]);
    expect(await problemsOf(runningSumModel(2), { nodesMax: 1 })).toEqual([
      'graph: it has 2 nodes, the limit is 1',
    ]);
  });

  test('with no more than fifty reasons', async () => {
    const inputs = Array.from({ length: 200_000 }, () => 'q');
    const fixture = model({ nodes: [node('Sum', [inputs, ['y']])], ...ends });
    expect(await problemsOf(fixture)).toHaveLength(50);
  });
});

describe('a model is admitted', () => {
  test.each<[string, Model]>([
    [
      'with nodes in any order',
      model({
        nodes: [node('Relu', [['z'], ['y']]), node('Relu', [['x'], ['z']])],
        ...ends,
      }),
    ],
    [
      'with an operator of com.microsoft that it does not import',
      model({
        nodes: [node('Gelu', [['x'], ['y']], { domain: 'com.microsoft' })],
        ...ends,
      }),
    ],
    [
      'whose subgraph defines a name that comes later',
      model({
        nodes: [
          node('If', [['c'], ['y']], {
            attributes: [
              attribute('then_branch', branchTo('q')),
              attribute('else_branch', branchTo('q')),
            ],
          }),
          node('Relu', [['y'], ['q']]),
        ],
        inputs: [x, valueInfo('c', 'bool', [])],
        outputs: [y],
      }),
    ],
    ['with a function of its own', withFunctions([functionOf('f', ['Relu', 'Relu'])], 'f')],
    [
      'with int4 weights within',
      model(
        {
          nodes: [node('DequantizeLinear', [['w', 's'], ['d']]), node('Add', [['x', 'd'], ['y']])],
          initializers: [
            constant('w', 'int4', { dims: [4], data: new Uint8Array(2) }),
            constant('s', 'float32', { dims: [], data: Float32Array.of(1) }),
          ],
          ...ends,
        },
        { opsetImports: [{ ...NONE, version: 21n }] },
      ),
    ],
  ])('%s', async (_, fixture) => {
    expect(await problemsOf(fixture)).toEqual([]);
  });
});

describe('external data', () => {
  const outer = mkdtempSync(join(tmpdir(), 'ledge-onnx-'));
  const folder = join(outer, 'model');
  mkdirSync(folder);
  afterAll(() => rmSync(outer, { recursive: true }));
  writeFileSync(join(folder, 'weights.bin'), new Uint8Array(16));
  writeFileSync(join(outer, 'secret.bin'), new Uint8Array(16));
  symlinkSync(join(outer, 'secret.bin'), join(folder, 'link.bin'));
  symlinkSync(join(folder, 'weights.bin'), join(folder, 'inner.bin'));

  const fields = (entries: Record<string, string>): Model =>
    withWeights({
      ...constant('w', 'float32', { dims: [4] }),
      dataLocation: 1,
      externalData: Object.entries(entries).map(([key, value]) => ({ ...NONE, key, value })),
    });

  test.each<[Record<string, string>, RegExp | undefined]>([
    [{ location: 'weights.bin' }, undefined],
    [{ location: 'inner.bin', offset: '0', length: '16' }, undefined],
    [{ location: 'link.bin' }, /outside the model's folder/],
    [{ location: '../secret.bin' }, /outside/],
    [{ location: 'sub/../../secret.bin' }, /outside/],
    [{ location: '/etc/hostname' }, /outside/],
    [{ location: 'C:\\secret.bin' }, /outside/],
    [{ location: '*/_ORT_MEM_ADDR_/*', offset: '4096' }, /cannot be read \(ENOENT\)/],
    [{ location: '.' }, /is no file/],
    [{ location: 'missing.bin' }, /cannot be read \(ENOENT\)/],
    [{ location: 'weights.bin', offset: '1' }, /has 16 bytes, 17 are needed/],
    [{ location: 'weights.bin', length: '12' }, /12 bytes of external data for 16/],
    [{ location: 'weights.bin', offset: '-4' }, /no whole number/],
    [{ offset: '0' }, /has no file/],
  ])('%o', async (entries, expected) => {
    const path = join(folder, 'model.onnx');
    writeFileSync(path, modelBytes(fields(entries)));
    const { problems } = await inspectModel(path);
    expect(problems.length).toBe(expected === undefined ? 0 : 1);
    if (expected !== undefined) expect(problems[0]?.message).toMatch(expected);
  });

  test('is refused for a model without its folder', async () => {
    expect(await problemsOf(fields({ location: 'weights.bin' }))).toEqual([
      'w: its data is in "weights.bin", and the model was given without its folder',
    ]);
  });

  test('file limits hold and a missing file is an error', async () => {
    const path = join(folder, 'model.onnx');
    writeFileSync(path, modelBytes(matmulModel({ inputs: 2, outputs: 2 })));
    const { summary, problems } = await inspectModel(path, { fileBytesMax: 10 });
    expect(summary).toBeUndefined();
    expect(problems[0]?.message).toMatch(/the limit is 10/);
    await expect(inspectModel(join(folder, 'no.onnx'))).rejects.toMatchObject({
      code: 'not-found',
    });
  });
});

describe('damaged bytes', () => {
  const bytes = modelBytes(matmulModel({ inputs: 4, outputs: 3 }));

  test('every truncation is a problem', async () => {
    for (let length = 0; length < bytes.length; length += 1) {
      const { problems } = await inspectBytes(bytes.subarray(0, length));
      expect(problems.length, `${length} bytes`).toBeGreaterThan(0);
    }
  });

  test('flipped bytes never throw, and give an inspection', async () => {
    const flip = fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }));
    await fc.assert(
      fc.asyncProperty(fc.array(flip, { minLength: 1, maxLength: 8 }), async (flips) => {
        const damaged = bytes.slice();
        for (const [at, mask] of flips) damaged[at]! ^= mask;
        const { summary, problems } = await inspectBytes(damaged);
        expect(summary !== undefined || problems.length > 0).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test('random bytes never throw', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (noise) => {
        expect((await inspectBytes(noise)).problems.length).toBeGreaterThan(0);
      }),
      { numRuns: 500 },
    );
  });
});

const models = sharedData('models');

describe.skipIf(models === undefined)('real models (../shared/data/models)', () => {
  const files =
    models === undefined ? [] : readdirSync(models, { recursive: true, encoding: 'utf8' });
  const onnx = files.filter((name) => name.endsWith('.onnx'));

  test.each(onnx.filter((name) => !name.includes('hostile')))('%s is admitted', async (name) => {
    const { summary, problems } = await inspectModel(join(models ?? '', name));
    expect(problems).toEqual([]);
    expect(summary?.inputs.length).toBeGreaterThan(0);
    expect(summary?.outputs.length).toBeGreaterThan(0);
  });

  test.each<[string, RegExp]>([
    ['corrupt-protobuf.onnx', /Cannot read the model/],
    ['custom-op.onnx', /domain that onnxruntime does not know/],
    ['map-output.onnx', /the output is a sequence/],
    ['test_cast_FLOAT_to_INT4.onnx', /type int4/],
    ['test_cast_FLOAT_to_UINT4.onnx', /type uint4/],
  ])('hostile/%s is refused', async (name, expected) => {
    const { problems } = await inspectModel(join(models ?? '', 'hostile', name));
    expect(problems.map(({ message }) => message).join('\n')).toMatch(expected);
  });
});
