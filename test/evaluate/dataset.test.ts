import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LEARN_ROWS, readDataset } from '../../src/evaluate/dataset.ts';
import { parseSeries } from '../../src/evaluate/series.ts';

let root = '';

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'ledge-dataset-'));
});
afterAll(() => rm(root, { recursive: true }));

async function folderOf(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(root, 'data-'));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  return folder;
}

const LABELLED = 'datetime;A;B b;anomaly;changepoint\n2020-03-01 10:00:00;1.5;-2;0.0;0.0\n';

describe('readDataset', () => {
  test('takes clips by label, each from a device of its own', async () => {
    const folder = await folderOf({
      'yes/a.wav': '',
      'yes/b.flac': '',
      'no/a.wav': '',
      'x.md': '',
    });
    const { form, events } = await readDataset(folder);
    expect(form).toBe('clips');
    expect(events.map(({ truth, device }) => [truth, device])).toEqual([
      ['no', 'no-a-wav'],
      ['yes', 'yes-a-wav'],
      ['yes', 'yes-b-flac'],
    ]);
  });
  test('takes a png of the name of a jpg for its mask, other pngs for parts', async () => {
    const folder = await folderOf({ 'free/1.jpg': '', 'free/1.png': '', 'crack/2.png': '' });
    const { form, events } = await readDataset(folder);
    expect(form).toBe('images');
    expect(events.map(({ name, mask }) => [name, mask !== undefined])).toEqual([
      ['crack/2.png', false],
      ['free/1.jpg', true],
    ]);
  });
  test('takes each series for a machine whose first rows are only learned from', async () => {
    const row = LABELLED.split('\n')[1];
    const long = `${LABELLED}${`${row}\n`.repeat(LEARN_ROWS)}`;
    const folder = await folderOf({ 'valve/1.csv': long, 'valve/2.csv': LABELLED });
    const { form, events } = await readDataset(folder);
    expect(form).toBe('series');
    expect(new Set(events.map(({ device }) => device))).toEqual(new Set(['valve-1', 'valve-2']));
    expect(events.filter(({ counted }) => counted).map(({ name }) => name)).toEqual([
      `valve/1.csv:${LEARN_ROWS + 2}`,
    ]);
    expect(JSON.parse(Buffer.from(await events[0]!.read()).toString())).toEqual({
      ts: Date.UTC(2020, 2, 1, 10),
      A: 1.5,
      'B b': -2,
    });
  });
  test('limits the events of each label', async () => {
    const folder = await folderOf({ 'a/1.wav': '', 'a/2.wav': '', 'b/1.wav': '' });
    expect((await readDataset(folder, 1)).events).toHaveLength(2);
  });
  test('names the forms where a folder has none of them', async () => {
    const folder = await folderOf({ 'a/1.txt': '' });
    await expect(readDataset(folder)).rejects.toMatchObject({ code: 'not-found' });
  });
});

describe('parseSeries', () => {
  test.each([
    ['labels', LABELLED, { fields: { A: 1.5, 'B b': -2 }, anomaly: false }],
    ['no labels', 'datetime;A\n2020-03-01 10:00:00;1\n', { fields: { A: 1 }, anomaly: undefined }],
    ['a gap', 'datetime;A;B\n2020-03-01 10:00:00;;2\n', { fields: { B: 2 } }],
    ['Windows line ends', 'datetime;A\r\n2020-03-01 10:00:00;1\r\n', { fields: { A: 1 } }],
  ])('reads rows with %s', (_, text, expected) => {
    expect(parseSeries(text, 'x.csv')).toMatchObject([expected]);
  });
  test.each([
    ['no datetime', 'A;B\n1;2'],
    ['no sensor', 'datetime;anomaly\n2020-03-01 10:00:00;1'],
    ['a short row', 'datetime;A;B\n2020-03-01 10:00:00;1'],
  ])('refuses %s, naming the line', (_, text) => {
    expect(() => parseSeries(text, 'x.csv')).toThrow(/x\.csv:[12]/);
  });
});
