import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { flowOfPlace, loadRecording } from '../../src/devices/recording.ts';
import { wavDurationMs } from '../../src/devices/wav-duration.ts';

let root = '';

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'ledge-recording-'));
});
afterAll(() => rm(root, { recursive: true }));

/** A folder with these files. */
async function folderOf(files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const folder = await mkdtemp(join(root, 'folder-'));
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(folder, name), content);
  }
  return folder;
}

/** Silent 16-bit mono sound at 8 kHz, with an odd chunk before the data. */
function wav(seconds: number, claimedBytes?: number): Uint8Array {
  const data = Buffer.alloc(16_000 * seconds);
  const head = Buffer.from('RIFF----WAVEfmt ----------------LIST----x-data----', 'latin1');
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(8000, 24);
  head.writeUInt32LE(16_000, 28);
  const odd = Buffer.from('LIST----x-', 'latin1');
  odd.writeUInt32LE(1, 4);
  const dataHead = Buffer.from('data----', 'latin1');
  dataHead.writeUInt32LE(claimedBytes ?? data.length, 4);
  return Buffer.concat([head.subarray(0, 36), odd, dataHead, data]);
}

/** Name, device and time of each event of a recording. */
async function eventsOf(path: string): Promise<(string | number | undefined)[][]> {
  const { events } = await loadRecording(path);
  return events.map(({ name, device, atMs }) => [name, device, atMs]);
}

describe('wavDurationMs', () => {
  test.each([
    ['a whole file', wav(2), 2000],
    ['a length beyond the end', wav(1, 0xffffffff), 1000],
    ['no WAV', Buffer.from('not a wave file at all'), undefined],
    ['a header without data', wav(1).subarray(0, 40), undefined],
    ['nothing', new Uint8Array(), undefined],
  ])('of %s', (_, bytes, expected) => {
    expect(wavDurationMs(bytes)).toBe(expected);
  });
});

describe('loadRecording', () => {
  test('lets sorted media files follow each other by their duration', async () => {
    const folder = await folderOf({ 'b.wav': wav(2), 'a.wav': wav(3), 'notes.md': 'no event' });
    expect(await eventsOf(folder)).toEqual([
      ['a.wav', undefined, 0],
      ['b.wav', undefined, 3000],
    ]);
  });
  test.each([
    ['milliseconds', 1_740_000_000_000, 1_740_000_002_500],
    ['seconds', 1_740_000_000, 1_740_000_002.5],
    ['ISO 8601', '"2025-03-03T06:00:00Z"', '"2025-03-03T06:00:02.5Z"'],
  ])('takes the time of lines from a ts in %s', async (_, first, second) => {
    const lines = `{"ts":${first},"a":1}\n\n{"ts":${second},"a":2}\n`;
    expect(await eventsOf(await folderOf({ 'x.jsonl': lines }))).toEqual([
      ['x.jsonl:1', undefined, 0],
      ['x.jsonl:3', undefined, 2500],
    ]);
  });
  test('lets lines without a time follow each other by a second', async () => {
    const folder = await folderOf({ 'x.jsonl': '{"a":1}\n{"a":2}' });
    expect((await eventsOf(join(folder, 'x.jsonl'))).map(([, , atMs]) => atMs)).toEqual([0, 1000]);
  });
  test('follows replay.yaml: flow, speed, devices, times', async () => {
    const list = `flow: words
speed: 10
events:
  - { file: b.wav, device: hall, atMs: 500 }
  - { file: a.wav, device: kitchen, atMs: 0 }
`;
    const folder = await folderOf({ 'replay.yaml': list, 'a.wav': wav(1), 'b.wav': wav(1) });
    expect(await loadRecording(folder)).toMatchObject({ flow: 'words', speed: 10 });
    expect(await eventsOf(folder)).toEqual([
      ['a.wav', 'kitchen', 0],
      ['b.wav', 'hall', 500],
    ]);
  });
  test('reads payloads as they were recorded', async () => {
    const folder = await folderOf({ 'a.wav': wav(1), 'b.jsonl': '{"a": 1}\n' });
    const { events } = await loadRecording(folder);
    const payloads = await Promise.all(events.map((event) => event.read()));
    expect(payloads.map((bytes) => Buffer.from(bytes))).toEqual([wav(1), Buffer.from('{"a": 1}')]);
    expect(events.map(({ contentType }) => contentType)).toEqual(['audio/wav', 'application/json']);
  });
  test.each([
    ['an empty folder', {}, 'not-found'],
    ['a list of a file that is missing', { 'replay.yaml': 'events: [{file: x.wav}]' }, 'not-found'],
    ['an unknown key in a list', { 'replay.yaml': 'evnts: []' }, 'config-invalid'],
    ['a line that is no JSON', { 'x.jsonl': '{"a":' }, 'payload-invalid'],
  ])('refuses %s', async (_, files, code) => {
    const folder = await folderOf(files as Record<string, string>);
    await expect(loadRecording(folder)).rejects.toMatchObject({ code });
  });
});

test.each([
  ['/x/flows/words/samples', 'words'],
  ['/x/flows/words/samples/yes.wav', 'words'],
  ['/x/recordings', undefined],
])('flowOfPlace of %s is %s', (path, flow) => {
  expect(flowOfPlace(path)).toBe(flow);
});
