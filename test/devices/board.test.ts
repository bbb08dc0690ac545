import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { detectBoard, listBoards, loadBoard } from '../../src/devices/board.ts';

const GIB = 2 ** 30;
const folder = mkdtempSync(join(tmpdir(), 'ledge-board-'));
afterAll(() => rmSync(folder, { recursive: true }));

function fileWith(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('detection', () => {
  test.each([
    ['Raspberry Pi 4 Model B Rev 1.4', 'raspberry-pi-4'],
    ['Raspberry Pi Compute Module 4 Rev 1.0', 'raspberry-pi-4'],
    ['Raspberry Pi 5 Model B Rev 1.0', 'raspberry-pi-5'],
    ['NVIDIA Jetson Nano Developer Kit', 'jetson-nano'],
    ['NVIDIA Jetson TX2 Developer Kit', 'jetson-tx2'],
    ['quill', 'jetson-tx2'],
    ['NVIDIA Jetson AGX Xavier Developer Kit', 'jetson-agx-xavier'],
    ['Jetson-AGX', 'jetson-agx-xavier'],
    ['NVIDIA Jetson Orin Nano Developer Kit', 'jetson-orin-nano'],
    ['NVIDIA Orin Nano Developer Kit', 'jetson-orin-nano'],
    ['Some other board', 'generic-arm64'],
  ])('knows "%s" as %s', async (model, name) => {
    const modelFile = fileWith('model', `${model}\0`);
    expect((await detectBoard({ modelFile, arch: 'arm64' })).name).toBe(name);
  });

  test('goes by architecture where there is no device tree', async () => {
    const modelFile = join(folder, 'absent');
    expect((await detectBoard({ modelFile, arch: 'x64' })).name).toBe('generic-x64');
    await expect(detectBoard({ modelFile, arch: 's390x' })).rejects.toMatchObject({
      code: 'unsupported',
    });
  });
});

describe('the figures of a board', () => {
  test('are those of the machine for a generic one', async () => {
    const machine = { totalMemoryBytes: 16 * GIB, cores: 12 };
    expect(await loadBoard('generic-x64', machine)).toMatchObject({
      memoryBytes: 16 * GIB,
      memoryBudgetBytes: 8 * GIB,
      cores: 12,
      workers: 11,
      intraOpThreads: 11,
      tops: undefined,
      providers: ['cpu'],
    });
  });

  test('are the file’s on a larger machine', async () => {
    const machine = { totalMemoryBytes: 64 * GIB, cores: 32 };
    expect(await loadBoard('jetson-nano', machine)).toMatchObject({
      memoryBytes: 4 * GIB,
      memoryBudgetBytes: Math.floor(4 * GIB * 0.4),
      cores: 4,
      workers: 3,
      tops: 0.472,
      watts: 10,
      providers: ['cuda', 'cpu'],
    });
  });

  test('never exceed the machine', async () => {
    const machine = { totalMemoryBytes: GIB, cores: 1 };
    expect(await loadBoard('raspberry-pi-4', machine)).toMatchObject({
      memoryBytes: GIB,
      cores: 1,
      workers: 1,
      intraOpThreads: 1,
    });
    expect(await loadBoard('phone-arm64', { ...machine, cores: 3 })).toMatchObject({ workers: 2 });
  });
});

describe('loading', () => {
  test('finds every board by its name', async () => {
    const names = await listBoards();
    expect(names).toHaveLength(9);
    for (const name of names) {
      const board = await loadBoard(name);
      expect(board.name).toBe(name);
      expect(board.providers.at(-1)).toBe('cpu');
    }
  });

  test('of an unknown name tells the nearest', async () => {
    await expect(loadBoard('rasberry-pi-4')).rejects.toMatchObject({
      code: 'config-invalid',
      message: 'Cannot find board "rasberry-pi-4": did you mean "raspberry-pi-4"?',
    });
    await expect(loadBoard('../../etc/passwd')).rejects.toMatchObject({ code: 'config-invalid' });
  });

  test('takes a file by its path', async () => {
    const path = fileWith(
      'own-board.yaml',
      'title: Own\nmatch: []\narchitecture: x64\nsource: measured\n' +
        'providers: [cpu]\nprecision: [int8]\nmemoryShare: 0.25\nworkers: 2\n',
    );
    const machine = { totalMemoryBytes: 4 * GIB, cores: 8 };
    expect(await loadBoard(path, machine)).toMatchObject({
      name: 'own-board',
      workers: 2,
      memoryBudgetBytes: GIB,
    });
  });

  test('tells what is wrong in a file, with its line', async () => {
    const path = fileWith('bad.yaml', 'title: Bad\ncores: none\nwatt: 3\n');
    await expect(loadBoard(path)).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringMatching(/bad\.yaml:2: cores: found "none".*bad\.yaml:3: watt/s),
    });
    await expect(loadBoard(join(folder, 'absent.yaml'))).rejects.toMatchObject({
      code: 'config-invalid',
    });
  });
});
