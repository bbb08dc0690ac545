import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createBackground, momentsOfBackground } from '../../src/teach/background.ts';
import { encodeNumbers, type Lesson } from '../../src/teach/lesson.ts';
import {
  goBack,
  readBackground,
  readTaught,
  VERSIONS_MAX,
  writeBackground,
  writeVersion,
} from '../../src/teach/versions.ts';
import { temporaryFolder } from '../harness/node.ts';

const BASE = 'a'.repeat(64);
let folder: string;
beforeEach(async () => {
  folder = await temporaryFolder();
  await writeFile(join(folder, 'model.yaml'), manifest(undefined));
});
afterEach(() => rm(folder, { recursive: true }));

function manifest(taught: number | undefined, name = 'words'): string {
  return JSON.stringify({
    ...{ name, version: '1', precision: 'fp32', sha256: BASE },
    file: taught === undefined ? 'model.onnx' : `model.taught-${taught}.onnx`,
    inputs: [{ name: 'x', type: 'float32', shape: ['N', 2] }],
    outputs: [{ name: 'y', type: 'float32', shape: ['N', 2] }],
    labels: ['yes', 'no'],
    ...(taught !== undefined && { taught }),
  });
}

function lesson(version: number): Lesson {
  const leaveOneOut = { recognised: 2, of: 2, falseShare: 0.01 };
  const features = { [BASE]: encodeNumbers([1, 2, 3, 4]) };
  const taught = [{ label: 'lamp', examples: ['a.wav', 'b.wav'], features, leaveOneOut }];
  return { version, base: BASE, taught, tests: { passed: 1, of: 1 }, solveMs: 2 };
}

async function teach(): Promise<number> {
  const { next, baseText } = await readTaught(folder);
  await writeVersion(folder, {
    ...{ manifest: manifest(next), lesson: lesson(next), baseText },
    models: new Map([[`model.taught-${next}.onnx`, Uint8Array.of(next)]]),
  });
  return next;
}

describe('versions of what a model was taught', () => {
  test('a model as it came is version 0', async () => {
    expect(await readTaught(folder)).toMatchObject({ current: 0, versions: [0], next: 1 });
  });

  test('each lesson makes one, and all can be gone back to', async () => {
    expect([await teach(), await teach()]).toEqual([1, 2]);
    expect(await readTaught(folder)).toMatchObject({
      ...{ current: 2, versions: [0, 1, 2], next: 3 },
      lesson: { version: 2, taught: [{ label: 'lamp' }] },
    });
    await goBack(folder, 0);
    expect(await readFile(join(folder, 'model.yaml'), 'utf8')).toBe(manifest(undefined));
    expect(await readTaught(folder)).toMatchObject({ current: 0, versions: [0, 1, 2], next: 3 });
    await goBack(folder, 1);
    expect(await readTaught(folder)).toMatchObject({ current: 1, lesson: { version: 1 } });
  });

  test('the oldest go with their files, and version 0 stays', async () => {
    for (let count = 0; count < VERSIONS_MAX + 3; count += 1) await teach();
    const { versions, current } = await readTaught(folder);
    expect(current).toBe(VERSIONS_MAX + 3);
    expect(versions).toEqual([0, ...Array.from({ length: VERSIONS_MAX }, (_, at) => at + 4)]);
    const models = (await readdir(folder)).filter((name) => name.endsWith('.onnx'));
    expect(models).toHaveLength(VERSIONS_MAX);
    await goBack(folder, 0);
  });

  test('a model that was replaced by hand begins anew', async () => {
    await teach();
    await writeFile(join(folder, 'model.yaml'), manifest(undefined, 'other words'));
    expect(await readTaught(folder)).toMatchObject({ current: 0, versions: [0], next: 2 });
  });

  test('a version that is not there, and a lesson that is damaged, are told', async () => {
    await teach();
    await expect(goBack(folder, 7)).rejects.toThrow('there is no version 7, only 0, 1');
    await writeFile(join(folder, 'teach', '1.json'), '{"version": "one"}');
    await expect(readTaught(folder)).rejects.toThrow(/1\.json: .*version/s);
  });
});

test('a background is read back for the model it is of, and no other', async () => {
  const moments = {
    ...{ count: 9, mean: Float64Array.of(1, 2) },
    covariance: Float64Array.of(4, 1, 1, 2),
  };
  const wide = { ...moments, covariance: moments.covariance.map((value) => 3 * value) };
  const background = createBackground(
    BASE,
    new Map([
      ['yes', moments],
      ['no', wide],
    ]),
  );
  await writeBackground(folder, background);
  expect(await readBackground(folder, BASE)).toEqual(background);
  expect(momentsOfBackground(background)).toEqual([moments, wide]);
  expect(await readBackground(folder, 'b'.repeat(64))).toBeUndefined();
});
