import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeFolder } from '../../src/store/make-folder.ts';
import { openStateFiles, type StateFiles } from '../../src/store/state-files.ts';
import { temporaryFolder } from '../harness/node.ts';

let root: string;
let count = 0;

beforeAll(async () => {
  root = await temporaryFolder();
});

afterAll(() => rm(root, { recursive: true }));

const fresh = () => join(root, `folder-${count++}`, 'below');

function open(folder: string): Promise<StateFiles> {
  return openStateFiles(folder, (file, error) => {
    throw new Error(`${file}: ${error}`);
  });
}

test('a state comes back as it went, whatever the device is called', async () => {
  const folder = fresh();
  const states = await open(folder);
  const devices = ['pump-1', 'a b', '../up', '.', 'C:\\x', 'ü/ö', 'con', '%2e'];
  for (const device of devices) states.set(device, { of: device, n: [1, 2.5] });
  await states.flush();
  const again = await open(folder);
  for (const device of devices) expect(again.get(device)).toEqual({ of: device, n: [1, 2.5] });
  expect(await readdir(folder)).toHaveLength(devices.length);
  expect(again.get('other')).toBeUndefined();
});

test('what is forgotten is gone after the next flush', async () => {
  const folder = fresh();
  const states = await open(folder);
  for (const device of ['a', 'b', 'c']) states.set(device, { device });
  await states.flush();
  expect(states.delete('a')).toBe(1);
  expect(states.delete('a')).toBe(0);
  await states.flush();
  expect((await readdir(folder)).sort()).toEqual(['b.json', 'c.json']);
  expect(states.delete()).toBe(2);
  await states.flush();
  expect(await readdir(folder)).toEqual([]);
});

test('a file that does not parse is set aside and told; the rest is read', async () => {
  const folder = fresh();
  await makeFolder(folder);
  await writeFile(join(folder, 'a.json'), '{"x": 1}');
  await writeFile(join(folder, 'b.json'), '{"x": ');
  await writeFile(join(folder, 'c.json'), '7');
  await writeFile(join(folder, 'd.json'), 'null');
  await writeFile(join(folder, '%E0%A4%A.json'), '{}');
  await writeFile(join(folder, 'e.json.new'), '{"half": ');
  const told: string[] = [];
  const states = await openStateFiles(folder, (file) => told.push(file));
  expect(states.get('a')).toEqual({ x: 1 });
  const damaged = ['%E0%A4%A.json', 'b.json', 'c.json', 'd.json'];
  expect(told.sort()).toEqual(damaged.map((file) => join(folder, file)));
  for (const file of damaged) expect(await readdir(folder)).toContain(`${file}.damaged`);
});

test('a flush that fails is told, and the next one writes what it could not', async () => {
  const folder = fresh();
  const states = await open(folder);
  states.set('a', { x: 1 });
  await rm(folder, { recursive: true });
  await expect(states.flush()).rejects.toMatchObject({ code: 'data-unwritable' });
  await mkdir(folder);
  await states.flush();
  expect((await open(folder)).get('a')).toEqual({ x: 1 });
});

test.each([
  ['below a file', () => join(root, 'a-file', 'state')],
  ['where the system makes none', () => '/proc/ledge/state'],
])('a folder %s is refused', async (_, folder) => {
  await writeFile(join(root, 'a-file'), '');
  await expect(open(folder())).rejects.toMatchObject({
    code: 'data-unwritable',
    message: expect.stringContaining(folder()),
  });
});
