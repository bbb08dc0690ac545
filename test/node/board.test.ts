import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { boardOf } from '../../src/node/node.ts';
import { packagePath } from '../../src/std/package.ts';
import { temporaryFolder } from '../harness/node.ts';

const GENERIC = packagePath('devices/boards/generic-x64.yaml');
let devices: string;

beforeAll(async () => {
  devices = await temporaryFolder();
  await mkdir(join(devices, 'boards'));
  await copyFile(GENERIC, join(devices, 'boards', 'shelf-7.yaml'));
  const own = (await readFile(GENERIC, 'utf8')).replace(/^title: .*$/m, 'title: Our own Pi');
  await writeFile(join(devices, 'boards', 'raspberry-pi-5.yaml'), own);
  await writeFile(join(devices, 'boards', 'bad.yaml'), 'titel: x\n');
});

afterAll(() => rm(devices, { recursive: true }));

test.each([
  ['an own board', 'shelf-7', { name: 'shelf-7' }],
  ["an own board under a package board's name", 'raspberry-pi-5', { title: 'Our own Pi' }],
  ["the package's board", 'jetson-nano', { name: 'jetson-nano' }],
])('%s is found by its name', async (_, board, expected) => {
  expect(await boardOf({ board, devices })).toMatchObject(expected);
});

test("without own devices the package's board is taken", async () => {
  const { title } = await boardOf({ board: 'raspberry-pi-5' });
  expect(title).not.toBe('Our own Pi');
});

test('an own board by its path', async () => {
  const board = join(devices, 'boards', 'shelf-7.yaml');
  expect(await boardOf({ board })).toMatchObject({ name: 'shelf-7' });
});

test.each([
  ['raspbery-pi-5', /did you mean "raspberry-pi-5"/],
  ['../boards/shelf-7', /Cannot find board/],
  ['bad', /bad\.yaml:1: titel/],
])('board %j is refused', async (board, message) => {
  await expect(boardOf({ board, devices })).rejects.toMatchObject({
    code: 'config-invalid',
    message: expect.stringMatching(message),
  });
});
