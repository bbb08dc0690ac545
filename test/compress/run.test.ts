import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { listRecipes, loadRecipe, parseRecipe } from '../../src/compress/recipe.ts';
import type { CompressReport } from '../../src/compress/report.ts';
import { compressModel } from '../../src/compress/run.ts';
import { attribute, model, modelBytes, node, valueInfo, weights } from '../fixtures/onnx-models.ts';
import { ledge } from '../harness/cli.ts';
import type { PruneFile } from '../harness/pruned-case.ts';

const folder = mkdtempSync(join(tmpdir(), 'ledge-compress-run-'));
afterAll(() => rmSync(folder, { recursive: true }));

const signal = new AbortController().signal;
const source = join(folder, 'source.onnx');
writeFileSync(
  source,
  modelBytes(
    model({
      nodes: [
        node('MatMul', [['x', 'w'], ['h']], { name: 'first' }),
        node('Relu', [['h'], ['r']]),
        node('Identity', [['r'], ['i']]),
        node('MatMul', [['i', 'v'], ['y']], { name: 'second' }),
      ],
      initializers: [weights('w', [64, 128]), weights('v', [128, 32])],
      inputs: [valueInfo('x', 'float32', ['N', 64])],
      outputs: [valueInfo('y', 'float32', ['N', 32])],
    }),
  ),
);

/** What stands beside the source: no folder may be left half-made. */
function leftovers(): string[] {
  return readdirSync(folder).filter((name) => name.startsWith('.'));
}

describe('compressing a model', () => {
  test('takes one that adds up in float64 beside its float32 layers', async () => {
    const file = join(folder, 'double.onnx');
    const nodes = [
      node('Add', [['x', 'x'], ['doubled']]),
      node('Cast', [['doubled'], ['small']], { attributes: [attribute('to', 1n)] }),
      node('MatMul', [['small', 'w'], ['h']]),
      node('Relu', [['h'], ['y']]),
    ];
    const bytes = modelBytes(
      model({
        nodes,
        initializers: [weights('w', [64, 128])],
        inputs: [valueInfo('x', 'float64', ['N', 64])],
        outputs: [valueInfo('y', 'float32', ['N', 128])],
      }),
    );
    writeFileSync(file, bytes);
    const recipe = await loadRecipe('int8');
    const report = await compressModel({ file, recipe, out: join(folder, 'double'), signal });
    expect(report.worstLayers.map(({ layer }) => layer)).toEqual(['h']);
    expect(report.error.sqnrDb).toBeGreaterThan(30);
  });

  test('writes the model and a report of size, load, speed, error, passes and layers', async () => {
    const out = join(folder, 'int8');
    const recipe = await loadRecipe('int8');
    const report = await compressModel({ file: source, recipe, out, signal });
    expect(readdirSync(out).sort()).toEqual(['model.onnx', 'report.json', 'report.md']);
    expect(leftovers()).toEqual([]);
    const bytes = readFileSync(join(out, 'model.onnx'));
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    expect(report.files).toEqual([{ name: 'model.onnx', bytes: bytes.length, sha256 }]);
    expect(report.size.before / report.size.after).toBeGreaterThan(3);
    expect(report.error.sqnrDb).toBeGreaterThan(30);
    expect(report.load.after.loadMs).toBeGreaterThan(0);
    expect(report.latency.rounds).toBeGreaterThan(10);
    expect(report.passes.map(({ pass }) => pass)).toEqual([
      'fold',
      'fuse',
      'int8-dynamic',
      'share',
    ]);
    expect(report.worstLayers.map(({ layer }) => layer)).toContain('h');
    const told = JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')) as CompressReport;
    expect(told.size).toEqual(report.size);
    expect(readFileSync(join(out, 'report.md'), 'utf8')).toMatch(/Speed: \d+\.\d\dx/);
  });

  test('splits weights into files whose checksums the report has', async () => {
    const out = join(folder, 'chunks');
    const recipe = parseRecipe('{passes: [{fold: {}}], chunk: {megabytesMax: 0.04}}', 'r.yaml');
    const report = await compressModel({ file: source, recipe, out, signal });
    expect(report.files).toHaveLength(3);
    for (const { name, sha256, bytes } of report.files) {
      const data = readFileSync(join(out, name));
      expect(createHash('sha256').update(data).digest('hex')).toBe(sha256);
      expect(data.length).toBe(bytes);
      expect(bytes).toBeLessThanOrEqual(40_000);
    }
    expect(report.error.maxError).toBe(0);
  });

  test('puts what a pass gives beside the model', async () => {
    const out = join(folder, 'pruned');
    const report = await compressModel({
      file: source,
      recipe: await loadRecipe('prune'),
      out,
      signal,
    });
    expect(readdirSync(out)).toContain('prune.json');
    const told = JSON.parse(readFileSync(join(out, 'prune.json'), 'utf8')) as PruneFile;
    expect(told.parameters.before).toBe(64 * 128 + 128 * 32);
    expect(told.parameters.after).toBeLessThanOrEqual(told.parameters.before * 0.6);
    expect(told.initialisers.map(({ name, axis }) => [name, axis])).toEqual([
      ['w', 1],
      ['v', 0],
    ]);
    expect(report.worstLayers).toEqual([]);
  });

  test('takes the place of its own earlier result and of nothing else', async () => {
    const recipe = await loadRecipe('clean');
    const out = join(folder, 'again');
    await compressModel({ file: source, recipe, out, signal });
    await compressModel({ file: source, recipe: await loadRecipe('int4'), out, signal });
    expect(readFileSync(join(out, 'report.md'), 'utf8')).toMatch('recipe int4');
    const taken = join(folder, 'taken');
    mkdirSync(taken);
    writeFileSync(join(taken, 'mine.txt'), '');
    const refused = compressModel({ file: source, recipe, out: taken, signal });
    await expect(refused).rejects.toMatchObject({ code: 'data-unwritable' });
    expect(readdirSync(taken)).toEqual(['mine.txt']);
    expect(leftovers()).toEqual([]);
  });

  test('writes nothing where the result is worse than asked or the run is stopped', async () => {
    const out = join(folder, 'never');
    const strict = parseRecipe('{passes: [{int4-block: {}}], accept: {sqnrDbMin: 60}}', 'r.yaml');
    const worse = compressModel({ file: source, recipe: strict, out, signal });
    await expect(worse).rejects.toMatchObject({ code: 'model-refused' });
    const stop = new AbortController();
    const stopped = compressModel({
      file: source,
      recipe: await loadRecipe('int8'),
      out,
      signal: stop.signal,
      onStep: (what) => what === 'verify' && stop.abort(),
    });
    await expect(stopped).rejects.toThrow();
    expect(readdirSync(folder)).not.toContain('never');
    expect(leftovers()).toEqual([]);
  });

  test('removes what a killed run left, and puts back a result that it had moved aside', async () => {
    const out = join(folder, 'killed');
    mkdirSync(join(folder, '.killed.partial-999999999'));
    mkdirSync(join(folder, '.killed.partial-999999999-old'));
    writeFileSync(join(folder, '.killed.partial-999999999-old', 'report.json'), '{}');
    const strict = parseRecipe('{passes: [{int4-block: {}}], accept: {sqnrDbMin: 60}}', 'r.yaml');
    await expect(compressModel({ file: source, recipe: strict, out, signal })).rejects.toThrow();
    expect(leftovers()).toEqual([]);
    expect(readdirSync(out)).toEqual(['report.json']);
  });

  test('names the node of an operator that the runtime has not', async () => {
    const file = join(folder, 'odd.onnx');
    const odd = node('NoSuchThing', [['x'], ['y']], { name: 'odd-one' });
    const ends = {
      inputs: [valueInfo('x', 'float32', [1])],
      outputs: [valueInfo('y', 'float32', [1])],
    };
    writeFileSync(file, modelBytes(model({ nodes: [odd], ...ends })));
    const refused = compressModel({
      file,
      recipe: await loadRecipe('int8'),
      out: join(folder, 'odd'),
      signal,
    });
    await expect(refused).rejects.toMatchObject({
      code: 'model-refused',
      message: expect.stringMatching(/odd-one: .*NoSuchThing/),
    });
  });

  test.each([
    [5n, /Relu.*'the-one'/],
    [99n, /opset_import ai\.onnx: version 99/],
  ])('names what does not fit operator set %s', async (version, message) => {
    const file = join(folder, `set-${version}.onnx`);
    const ends = {
      inputs: [valueInfo('x', 'float32', [1])],
      outputs: [valueInfo('y', 'float32', [1])],
    };
    const relu = model({ nodes: [node('Relu', [['x'], ['y']], { name: 'the-one' })], ...ends });
    const [opset] = relu.opsetImports;
    writeFileSync(file, modelBytes({ ...relu, opsetImports: [{ ...opset!, version }] }));
    const recipe = await loadRecipe('clean');
    const refused = compressModel({ file, recipe, out: join(folder, 'set'), signal });
    await expect(refused).rejects.toMatchObject({
      code: 'model-refused',
      message: expect.stringMatching(message),
    });
    expect(readdirSync(folder)).not.toContain('set');
  });

  test('refuses a model that opens and does not run, in a process of its own', async () => {
    const file = join(folder, 'unfit.onnx');
    const reshape = node('Reshape', [['x', 'shape'], ['y']], {
      attributes: [attribute('allowzero', 0n)],
    });
    const shape = {
      ...weights('shape', [1]),
      dataType: 7,
      rawData: new Uint8Array(BigInt64Array.of(7n).buffer),
    };
    const ends = {
      inputs: [valueInfo('x', 'float32', ['N', 4])],
      outputs: [valueInfo('y', 'float32', ['M'])],
    };
    writeFileSync(file, modelBytes(model({ nodes: [reshape], initializers: [shape], ...ends })));
    const refused = compressModel({
      file,
      recipe: await loadRecipe('clean'),
      out: join(folder, 'unfit'),
      signal,
    });
    await expect(refused).rejects.toMatchObject({ code: 'model-refused' });
    expect(readdirSync(folder)).not.toContain('unfit');
  });
});

describe('a recipe', () => {
  test.each(listRecipes())('named $name parses', async ({ name }) => {
    expect((await loadRecipe(name)).passes.length).toBeGreaterThan(0);
  });

  test.each([
    ['passes: [{squeeze: {}}]', /passes\.0\.squeeze: .*no such field/],
    ['passes: [{fold: {}, share: {}}]', /one pass with its configuration/],
    ['passes: [{int4-block: {block: 33}}]', /passes\.0\.int4-block\.block/],
    ['passes: []\nchunk: {megabytesMax: 0}', /chunk\.megabytesMax/],
    ['passes: [', /YAML/],
  ])('%s is refused with its place', (text, message) => {
    expect(() => parseRecipe(text, 'r.yaml')).toThrow(message);
  });

  test('that is neither named nor a file is not found', async () => {
    await expect(loadRecipe('int3')).rejects.toMatchObject({ code: 'not-found' });
  });
});

describe('ledge compress', () => {
  test('tells the report and where it is, or JSON', async () => {
    const { code, stdout } = await ledge(['compress', source, '--recipe', 'int8', '--json']);
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as CompressReport).recipe).toBe('int8');
    expect(readdirSync(join(folder, 'compressed-int8'))).toContain('report.md');
  });

  test("takes a flow's model with what its own events give, and writes a manifest", async () => {
    const out = join(folder, 'kws');
    const words = ['compress', 'keyword-spotting', '--recipe', 'clean', '--out', out, '--json'];
    const { code, stdout } = await ledge(words);
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as CompressReport).samples.kind).toBe('recorded');
    const listed = await ledge(['model', 'list', out, '--json']);
    expect(JSON.parse(listed.stdout)).toMatchObject({
      models: [{ precision: 'fp32', labels: 12 }],
    });
  });

  test.each([
    [['compress'], 2],
    [['compress', 'x.onnx'], 2],
    [['compress', 'nothing.onnx', '--recipe', 'int8'], 1],
    [['compress', 'recipes'], 0],
  ])('%j ends with %s', async (words, code) => {
    expect((await ledge(words)).code).toBe(code);
  });
});
