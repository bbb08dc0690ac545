import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listSources, loadSource } from '../../src/devices/source.ts';

let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ledge-source-'));
  await mkdir(join(folder, 'sources'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Writes a source of one's own and loads it by name. */
async function load(yaml: string) {
  await writeFile(join(folder, 'sources', 'own.yaml'), yaml);
  return loadSource('own', folder);
}

describe('the sources of the package', () => {
  test('are voice, camera, sensor, text, and any for the rest', async () => {
    expect(await listSources()).toEqual(['any', 'camera', 'sensor', 'text', 'voice']);
  });
  test.each([
    ['voice', 'audio'],
    ['camera', 'image'],
    ['sensor', 'sensor'],
    ['text', 'text'],
  ])('%s has its default topic and is decoded by %s', async (name, kind) => {
    const source = await loadSource(name);
    expect(source.topic).toBe(`ledge/in/${name}/{device}`);
    expect(source.decode.map((step) => Object.keys(step))).toEqual([[kind]]);
    expect(source.payloadBytesMax).toBeLessThanOrEqual(source.queueBytesMax);
  });
  test('any leaves topic and decoding to the flow', async () => {
    expect(await loadSource('any')).toMatchObject({ topic: undefined, decode: [] });
  });
});

describe("a source of one's own", () => {
  test('goes before the one of the package with that name', async () => {
    await writeFile(join(folder, 'sources', 'voice.yaml'), 'description: own\nkeep: latest');
    expect(await loadSource('voice', folder)).toMatchObject({ description: 'own', keep: 'latest' });
    await rm(join(folder, 'sources', 'voice.yaml'));
  });
  test('needs no more than a description', async () => {
    expect(await load('description: a press')).toMatchObject({ name: 'own', keep: 'all', qos: 1 });
  });
  test('is found by its path', async () => {
    await load('description: a press');
    const source = await loadSource(join(folder, 'sources', 'own.yaml'));
    expect(source.description).toBe('a press');
  });
});

test.each([
  ['an unknown field', 'description: x\nrate: 3', 'rate'],
  ['a topic without a device', 'description: x\ntopic: a/b', '{device}'],
  ['a limit that is no number', 'description: x\ninFlightMax: many', 'inFlightMax'],
  ['broken YAML', 'description: [', 'own.yaml:1'],
])('loadSource refuses %s', async (_, yaml, named) => {
  await expect(load(yaml)).rejects.toMatchObject({
    code: 'config-invalid',
    message: expect.stringContaining(named),
  });
});

test.each(['camra', '../sources/voice', '/nowhere/x.yaml'])(
  'loadSource tells which sources there are when it does not find %s',
  async (name) => {
    await expect(loadSource(name)).rejects.toMatchObject({
      code: 'not-found',
      message: expect.stringContaining('voice'),
    });
  },
);
