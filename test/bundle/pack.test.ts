import { mkdir, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { generateKeyPair, readPrivateKey } from '../../src/bundle/keys.ts';
import { describeFlow, packFlow, signBundle } from '../../src/bundle/pack.ts';
import { checkContents, withBundle } from '../../src/bundle/read-bundle.ts';
import { judgeSignatures } from '../../src/bundle/signatures.ts';
import { temporaryFolder } from '../harness/node.ts';
import { writeFolder } from './bundles.ts';

let root: string;
let flow: string;
const FILES = {
  'flow.yaml': 'steps: []\n',
  'samples/two.json': '{"a": 2}',
  'samples/one.json': '{"a": 1}',
  'model.onnx': new Uint8Array(3_000_000).map((_, at) => (at * 7919) % 251),
  '.DS_Store': 'left out',
};

beforeEach(async () => {
  root = await temporaryFolder();
  flow = join(root, 'demo');
  await writeFolder(flow, FILES);
});
afterEach(() => rm(root, { recursive: true }));

async function newKey(name: string) {
  const pair = generateKeyPair();
  const file = join(root, name);
  await writeFile(file, pair.privatePem);
  return { ...pair, privateKey: await readPrivateKey(file) };
}

test('a packed flow is its files, sorted, hidden ones left out', async () => {
  const path = join(root, 'demo.ledge');
  await packFlow(await describeFlow(flow), path);
  await withBundle(path, async (bundle) => {
    await checkContents(bundle);
    expect(bundle.manifest).toMatchObject({ name: 'demo', ledge: '0.1.0' });
    expect(bundle.manifest.files.map((file) => file.path)).toEqual([
      'flow.yaml',
      'model.onnx',
      'samples/one.json',
      'samples/two.json',
    ]);
    const pieces: Uint8Array[] = [];
    for await (const piece of bundle.content(bundle.manifest.files[1]!)) pieces.push(piece);
    expect(Buffer.concat(pieces).equals(FILES['model.onnx'])).toBe(true);
  });
});

test('the same files and times give the same bytes, and a signature is the same each time', async () => {
  const { privateKey } = await newKey('key');
  const copy = join(root, 'copy', 'demo');
  await writeFolder(copy, Object.fromEntries(Object.entries(FILES).reverse()));
  const created = new Date('2026-02-03T04:05:06.789Z');
  const [first, second] = [join(root, 'a'), join(root, 'b')];
  await packFlow(await describeFlow(flow, { created }), first, privateKey);
  await packFlow(await describeFlow(copy, { created }), second, privateKey);
  expect((await readFile(first)).equals(await readFile(second))).toBe(true);
});

test('the time of a bundle is that of its newest file, whatever the clock says', async () => {
  const old = new Date('2020-01-01T00:00:00Z');
  const paths = Object.keys(FILES).map((path) => join(flow, path));
  for (const path of paths) await utimes(path, old, old);
  await utimes(join(flow, 'samples/one.json'), old, new Date('2021-06-07T08:09:10.900Z'));
  expect((await describeFlow(flow)).manifest.created).toBe('2021-06-07T08:09:10Z');
});

test('a version that was not given follows from the files', async () => {
  const before = (await describeFlow(flow)).manifest.version;
  expect(before).toMatch(/^[0-9a-f]{12}$/);
  expect((await describeFlow(flow)).manifest.version).toBe(before);
  await writeFile(join(flow, 'flow.yaml'), 'steps: [] \n');
  expect((await describeFlow(flow)).manifest.version).not.toBe(before);
});

test('a file that changes while it is packed gives no bundle, and nothing is left', async () => {
  const described = await describeFlow(flow);
  await writeFile(join(flow, 'samples/one.json'), '{"a": 9}');
  const path = join(root, 'demo.ledge');
  await expect(packFlow(described, path)).rejects.toMatchObject({ code: 'bundle-invalid' });
  expect((await readdir(root)).filter((name) => name.includes('ledge'))).toEqual([]);
});

test('a link in the folder is refused', async () => {
  await symlink('/etc/passwd', join(flow, 'link.txt'));
  await expect(describeFlow(flow)).rejects.toMatchObject({
    code: 'bundle-invalid',
    message: expect.stringContaining('"link.txt" is a link'),
  });
});

test('a name that not every system can hold is refused', async () => {
  await mkdir(join(flow, 'caf\u00e9'));
  await expect(describeFlow(flow)).rejects.toMatchObject({ code: 'bundle-invalid' });
});

test('a folder without flow.yaml is refused, and one that is not there is not found', async () => {
  await rm(join(flow, 'flow.yaml'));
  await expect(describeFlow(flow)).rejects.toMatchObject({ code: 'bundle-invalid' });
  await expect(describeFlow(join(root, 'no'))).rejects.toMatchObject({ code: 'not-found' });
});

test('a bundle is signed by several keys, each once', async () => {
  const [one, two] = [await newKey('one'), await newKey('two')];
  const path = join(root, 'demo.ledge');
  const unsigned = await packFlow(await describeFlow(flow), path);
  expect(unsigned.signatures).toEqual([]);
  await signBundle(path, one.privateKey);
  await signBundle(path, two.privateKey);
  await signBundle(path, one.privateKey);
  await withBundle(path, async ({ manifestBytes, signatures }) => {
    const keys = [one.publicKey, two.publicKey].sort();
    expect(signatures.map(({ key }) => key)).toEqual(keys);
    for (const key of keys) {
      expect(judgeSignatures(manifestBytes, signatures, [key])).toEqual({ kind: 'trusted', key });
    }
    const other = generateKeyPair().publicKey;
    expect(() => judgeSignatures(manifestBytes, signatures, [other])).toThrow(/none of them trust/);
    expect(() => judgeSignatures(manifestBytes, [], [other])).toThrow(/not signed/);
    const altered = Buffer.from(manifestBytes);
    altered[40] = altered[40]! ^ 1;
    expect(() => judgeSignatures(altered, signatures, [one.publicKey])).toThrow(/was altered/);
    expect(() => judgeSignatures(altered, signatures, [])).toThrow(/was altered/);
  });
});
