import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listModels, loadModel } from '../../src/models/store.ts';
import { FREE } from '../../src/tensor/tensor.ts';
import { castModel, constant, matmulModel, model, modelBytes } from '../fixtures/onnx-models.ts';

const BYTES = modelBytes(matmulModel({ inputs: 4, outputs: 3 }));
const SHA = createHash('sha256').update(BYTES).digest('hex');

const manifestOf = (changes: Readonly<Record<string, unknown>> = {}) =>
  JSON.stringify({
    name: 'dense',
    version: '1',
    sha256: SHA,
    precision: 'fp32',
    inputs: [{ name: 'x', type: 'float32', shape: ['N', 4] }],
    outputs: [{ name: 'y', type: 'float32', shape: ['N', 3] }],
    labels: ['a', 'b', 'c'],
    ...changes,
  });

let root: string;
let count = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'ledge-models-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** A folder with these files. */
async function folderWith(files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  count += 1;
  const folder = join(root, `model-${count}`);
  await mkdir(folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(folder, name), content);
  }
  return folder;
}

const whole = (changes = {}) =>
  folderWith({ 'model.yaml': manifestOf(changes), 'model.onnx': BYTES });

describe('a model', () => {
  test('is loaded from its folder and from its manifest', async () => {
    const folder = await whole();
    for (const path of [folder, join(folder, 'model.yaml')]) {
      expect(await loadModel(path)).toMatchObject({
        identity: { name: 'dense', version: '1', precision: 'fp32' },
        labels: ['a', 'b', 'c'],
        file: join(folder, 'model.onnx'),
        sha256: SHA,
        summary: { parameters: 12, inputs: [{ name: 'x', shape: [FREE, 4] }] },
        manifest: { name: 'dense' },
      });
    }
  });

  test('without a manifest is named by its file and its hash', async () => {
    const folder = await folderWith({ 'dense.onnx': BYTES });
    expect(await loadModel(join(folder, 'dense.onnx'))).toMatchObject({
      identity: { name: 'dense', version: SHA.slice(0, 8), precision: 'fp32' },
      labels: undefined,
      manifest: undefined,
    });
  });

  test('called model.onnx is named by its folder', async () => {
    const folder = await folderWith({ 'model.onnx': BYTES });
    const { identity } = await loadModel(join(folder, 'model.onnx'));
    expect(folder.endsWith(identity.name)).toBe(true);
  });

  test('may have a dimension fixed by its manifest that is free in the file', async () => {
    const folder = await whole({ inputs: [{ name: 'x', type: 'float32', shape: [1, 4] }] });
    await expect(loadModel(folder)).resolves.toMatchObject({ sha256: SHA });
  });

  const x = { name: 'x', type: 'float32', shape: ['N', 4] };
  const y = { name: 'y', type: 'float32', shape: ['N', 3] };
  test.each([
    {
      what: 'another shape',
      changes: { inputs: [{ ...x, shape: ['N', 5] }] },
      told: 'Cannot load model "dense": input "x" has shape [?, 5], the file says [?, 4]',
    },
    {
      what: 'a free dimension that the file fixes',
      changes: { outputs: [{ ...y, shape: ['N', 'N'] }] },
      told: 'Cannot load model "dense": output "y" has shape [?, ?], the file says [?, 3]',
    },
    {
      what: 'another type',
      changes: { inputs: [{ ...x, type: 'int8' }] },
      told: 'Cannot load model "dense": input "x" has type int8, the file says float32',
    },
    {
      what: 'another name',
      changes: { inputs: [{ ...x, name: 'mel' }] },
      told: 'Cannot load model "dense": the manifest names input "mel", the file has "x"',
    },
    {
      what: 'an output too many',
      changes: { outputs: [y, { ...y, name: 'z' }] },
      told: 'Cannot load model "dense": the manifest names output "z", the file has "y"',
    },
  ])('whose manifest says $what is refused, naming it', async ({ changes, told }) => {
    await expect(loadModel(await whole(changes))).rejects.toMatchObject({
      code: 'model-invalid',
      message: told,
    });
  });

  test('whose bytes were swapped is refused', async () => {
    const folder = await whole();
    await writeFile(join(folder, 'model.onnx'), modelBytes(matmulModel({ inputs: 4, outputs: 2 })));
    await expect(loadModel(folder)).rejects.toMatchObject({
      code: 'model-invalid',
      message: expect.stringMatching(/has sha256 [0-9a-f]{64}, model\.yaml says/),
    });
  });

  test('that the runtime could not run is refused with its problems', async () => {
    const folder = await folderWith({ 'cast.onnx': modelBytes(castModel('int4')) });
    await expect(loadModel(join(folder, 'cast.onnx'))).rejects.toMatchObject({
      code: 'model-refused',
      context: { problems: expect.arrayContaining([expect.objectContaining({ where: 'y' })]) },
    });
  });

  test.each(['../weights.bin', '/etc/hostname', 'link.bin'])(
    'with weights in %s, outside its folder, is refused',
    async (location) => {
      const outside = {
        ...constant('w', 'float32', { dims: [4, 3] }),
        dataLocation: 1,
        externalData: [{ unknown: [], key: 'location', value: location }],
      };
      const { graph } = matmulModel({ inputs: 4, outputs: 3 });
      const bytes = modelBytes(model({ ...graph, initializers: [outside] }));
      const folder = await folderWith({ 'dense.onnx': bytes });
      await writeFile(join(folder, '..', 'weights.bin'), new Uint8Array(48));
      await symlink('../weights.bin', join(folder, 'link.bin'));
      await expect(loadModel(join(folder, 'dense.onnx'))).rejects.toMatchObject({
        code: 'model-refused',
      });
    },
  );

  test.each([
    { what: 'no file', files: {}, path: 'none.onnx', code: 'not-found' },
    { what: 'a folder without a manifest', files: {}, path: '.', code: 'not-found' },
    {
      what: 'a manifest without its file',
      files: { 'model.yaml': manifestOf() },
      path: 'model.yaml',
      code: 'not-found',
    },
    { what: 'garbage', files: { 'a.onnx': 'garbage' }, path: 'a.onnx', code: 'model-invalid' },
    { what: 'an empty file', files: { 'a.onnx': '' }, path: 'a.onnx', code: 'model-refused' },
    {
      what: 'a cut file',
      files: { 'a.onnx': BYTES.subarray(0, BYTES.length / 2) },
      path: 'a.onnx',
      code: 'model-invalid',
    },
    {
      what: 'a manifest that is too long',
      files: { 'model.yaml': '#'.repeat(2_000_000) },
      path: 'model.yaml',
      code: 'model-invalid',
    },
  ])('of $what fails with $code', async ({ files, path, code }) => {
    const folder = await folderWith(files as Record<string, string | Uint8Array>);
    await expect(loadModel(join(folder, path))).rejects.toMatchObject({ code });
  });
});

test('models under a folder are listed by path, with what is wrong with the others', async () => {
  const folder = await folderWith({});
  await mkdir(join(folder, 'b', 'deep'), { recursive: true });
  await mkdir(join(folder, 'a'));
  await writeFile(join(folder, 'b', 'deep', 'model.yaml'), manifestOf({ name: 'deep' }));
  await writeFile(join(folder, 'a', 'model.yaml'), 'name: [');
  expect(await listModels(folder)).toMatchObject([
    { kind: 'invalid', path: join(folder, 'a', 'model.yaml'), error: { code: 'model-invalid' } },
    { kind: 'model', manifest: { name: 'deep' } },
  ]);
  await expect(listModels(join(folder, 'none'))).rejects.toMatchObject({ code: 'not-found' });
});
