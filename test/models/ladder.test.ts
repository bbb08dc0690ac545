import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LADDER_MAX, parseManifest, rungsOf } from '../../src/models/manifest.ts';
import { loadModel } from '../../src/models/store.ts';
import { ladderFiles, quickModel, slowModel } from '../fixtures/ladder.ts';
import { castModel, matmulModel, modelBytes } from '../fixtures/onnx-models.ts';

const RUNGS = [
  { name: 'best', precision: 'fp32', model: slowModel(4) },
  { name: 'int8', precision: 'int8', model: slowModel(2) },
  { name: 'pruned', precision: 'int8', model: quickModel() },
];
const FILES = ladderFiles(RUNGS);

let root: string;
let count = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'ledge-ladder-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** A folder with the ladder's files, some of them changed or (undefined) left out. */
async function folderWith(changes: Record<string, string | Uint8Array | undefined> = {}) {
  const folder = join(root, String(count++));
  await mkdir(folder);
  for (const [name, content] of Object.entries({ ...FILES, ...changes })) {
    if (content !== undefined) await writeFile(join(folder, name), content);
  }
  return folder;
}

/** The manifest with one field of it changed by its path. */
function manifest(path: readonly (string | number)[] = [], value: unknown = undefined): string {
  const stated = JSON.parse(FILES['model.yaml'] as string);
  const last = path.at(-1);
  if (last === undefined) return JSON.stringify(stated);
  const parent = path.slice(0, -1).reduce((at, key) => at[key], stated);
  if (value === undefined) delete parent[last];
  else parent[last] = value;
  return JSON.stringify(stated);
}

describe('a ladder', () => {
  test('is loaded with every rung, the most accurate first', async () => {
    const loaded = await loadModel(await folderWith());
    expect(loaded.rungs.map(({ identity }) => identity)).toEqual([
      { name: 'stairs', version: '1', precision: 'fp32', rung: 'best' },
      { name: 'stairs', version: '1', precision: 'int8', rung: 'int8' },
      { name: 'stairs', version: '1', precision: 'int8', rung: 'pruned' },
    ]);
    expect(loaded.rungs.map(({ file }) => file.split('/').at(-1))).toEqual([
      'model.best.onnx',
      'model.int8.onnx',
      'model.pruned.onnx',
    ]);
    expect(loaded).toMatchObject(loaded.rungs[0]);
  });

  test('calls its first rung by its precision where nothing else is said', () => {
    const parsed = parseManifest(manifest(['rung']), 'model.yaml');
    expect(rungsOf(parsed).map(({ name }) => name)).toEqual(['fp32', 'int8', 'pruned']);
  });

  test('is not there in a model of one file, whose results name no rung', async () => {
    const loaded = await loadModel(await folderWith(ladderFiles(RUNGS.slice(0, 1))));
    expect(loaded.rungs).toHaveLength(1);
    expect(loaded.identity).toEqual({ name: 'stairs', version: '1', precision: 'fp32' });
  });

  test.each([
    [['rung'], 'pruned', /ladder\.1\.name: found "pruned", expected another name than .*pruned/],
    [['ladder', 1, 'name'], 'int8', /ladder\.1\.name: found "int8", expected another name/],
    [['ladder', 0, 'file'], 'model.best.onnx', /ladder\.0\.file: .*another file/],
    [['ladder', 0, 'file'], '../other.onnx', /ladder\.0\.file: .*same folder/],
    [
      ['ladder', 0, 'name'],
      'auto',
      /ladder\.0\.name: found "auto", expected another name than auto/,
    ],
    [['ladder', 0, 'name'], 'a/b', /ladder\.0\.name: found "a\/b", expected letters/],
    [['ladder', 1, 'precision'], 'int3', /ladder\.1\.precision: found "int3"/],
    [['ladder', 1, 'sha256'], 'abc', /ladder\.1\.sha256: found "abc"/],
    [['ladder'], [], /ladder: .*to have >=1 items/],
    [['ladder'], Array(LADDER_MAX + 1).fill({}), /ladder: .*to have <=7 items/],
  ])('with %j as %j is refused, naming it', (path, value, told) => {
    expect(() => parseManifest(manifest(path, value), 'model.yaml')).toThrow(told);
  });

  test.each([
    {
      what: 'a file of other bytes',
      files: { 'model.pruned.onnx': modelBytes(slowModel(1)) },
      told: /model\.pruned\.onnx has sha256 [0-9a-f]{64}, ladder\.1\.sha256 of model\.yaml says/,
    },
    {
      what: 'no file',
      files: { 'model.int8.onnx': undefined },
      told: /model\.int8\.onnx cannot be read/,
    },
    {
      what: 'other outputs',
      files: ladderFiles([
        ...RUNGS.slice(0, 1),
        { ...RUNGS[1]!, model: matmulModel({ inputs: 4, outputs: 3, batch: 1 }) },
      ]),
      told: /ladder\.0\.file of model\.yaml: .*model\.int8\.onnx has the outputs "y" float32\[1, 3\], the first rung has "y" float32\[1, 2\]/,
    },
    {
      what: 'a dimension free that the first fixes',
      files: ladderFiles([
        ...RUNGS.slice(0, 1),
        { ...RUNGS[1]!, model: matmulModel({ inputs: 4, outputs: 2 }) },
      ]),
      told: /has the inputs "x" float32\[\?, 4\], the first rung has "x" float32\[1, 4\]/,
    },
    {
      what: 'a file that the runtime could not run',
      files: ladderFiles([...RUNGS.slice(0, 1), { ...RUNGS[1]!, model: castModel('int4') }]),
      told: /Cannot load model "stairs": model\.int8\.onnx: y: the output has the type int4/,
    },
  ])('with $what is refused, naming the rung', async ({ files, told }) => {
    await expect(loadModel(await folderWith(files))).rejects.toThrow(told);
  });
});
