import { expect, test } from 'vitest';
import { memorySource } from '../../src/bundle/archive.ts';
import { FILES_MAX } from '../../src/bundle/limits.ts';
import { checkContents, parseBundle } from '../../src/bundle/read-bundle.ts';
import { bundleEntries, type RawEntry, tarOf } from './bundles.ts';

const FILES = { 'flow.yaml': 'steps: []\n', 'samples/one.json': '{}' };
const entries = bundleEntries({ files: FILES });
const extra = (name: string, spoil?: RawEntry['spoil']): Buffer =>
  tarOf([...entries, { name, data: 'x', ...(spoil && { spoil }) }]);
const typed = (letter: string) => extra('files/zz', (header) => void header.write(letter, 156));
const field = (at: number, text: string) =>
  extra('files/zz', (header) => void header.write(text, at, 'latin1'));
const whole = tarOf(entries);

async function refusal(bytes: Uint8Array): Promise<string> {
  try {
    await checkContents(await parseBundle(memorySource(bytes)));
  } catch (error) {
    expect(error).toMatchObject({ name: 'LedgeError', code: 'bundle-invalid' });
    return (error as Error).message;
  }
  return 'taken';
}

function changed(at: number, byte: number): Buffer {
  const bytes = Buffer.from(whole);
  bytes[at] = byte;
  return bytes;
}

const manyFiles = Object.fromEntries(
  Array.from({ length: FILES_MAX + 1 }, (_, index) => [`f${String(index).padStart(5, '0')}`, '']),
);

test('the bundle that the others are made of is taken', async () => {
  expect(await refusal(whole)).toBe('taken');
});

test.each<[string, Buffer, string]>([
  ['nothing', Buffer.alloc(0), 'cut short'],
  ['two empty blocks', Buffer.alloc(1024), 'it is empty'],
  ['noise', Buffer.alloc(4096, 0x41), 'no ustar header'],
  ['a parent path', extra('files/../../evil'), 'leaves its folder'],
  ['an absolute path', extra('files//etc/cron.d/x'), 'is absolute'],
  ['a drive', extra('files/C:/x'), 'begins with a drive'],
  ['a backslash', extra('files/..\\..\\x'), 'has a backslash'],
  ['a hidden file', extra('files/.ssh/authorized_keys'), 'no plain name'],
  ['a mark of an installed bundle', extra('files/.bundle.json'), 'no plain name'],
  ['a file outside files/', extra('flow.yaml'), 'not where a bundle has its files'],
  ['another folder', extra('other/flow.yaml'), 'not where a bundle has its files'],
  ['a path that is only the folder', extra('files/'), 'not where a bundle has its files'],
  ['a hard link', typed('1'), 'is a hard link'],
  ['a symbolic link', typed('2'), 'is a symbolic link'],
  ['a character device', typed('3'), 'is a device'],
  ['a block device', typed('4'), 'is a device'],
  ['a folder', typed('5'), 'is a folder entry'],
  ['a pipe', typed('6'), 'is a pipe'],
  ['a contiguous file', typed('7'), 'of the kind "7"'],
  ['a file of an old tar', typed('\0'), 'an entry of an old tar'],
  ['a long name of GNU tar', typed('L'), 'is a long name of GNU tar'],
  ['a long link of GNU tar', typed('K'), 'is a long link of GNU tar'],
  ['a sparse file', typed('S'), 'is a sparse file'],
  ['a PAX header', typed('x'), 'is a PAX header'],
  ['a global PAX header', typed('g'), 'is a PAX header'],
  ['a set-uid mode', field(100, '0004755\0'), 'not one that ledge writes'],
  ['an owner', field(108, '0001750\0'), 'not one that ledge writes'],
  ['a time', field(136, '14000000000\0'), 'not one that ledge writes'],
  ['a link target', field(157, '/etc/passwd'), 'not one that ledge writes'],
  ['bytes behind the NUL of a name', field(4, 'hidden'), 'not one that ledge writes'],
  ['a size in base 256', field(124, '\x80\0\0\0\0\0\0\0\0\0\0\x01'), 'is no number'],
  ['a negative size', field(124, '-0000000001\0'), 'is no number'],
  ['a size beyond the archive', field(124, '00000777777\0'), 'is cut short'],
  ['a size beyond the limit', field(124, '77777777777\0'), '8589934591 bytes'],
  ['GNU magic', field(257, 'ustar  \0'), 'no ustar header'],
  ['a prefix of two folders', field(345, 'files/a'), 'not where a bundle has its files'],
  ['a file the manifest does not name', extra('files/zz'), 'not what its manifest names'],
  ['a file twice', tarOf([...entries, entries[2]!]), 'not what its manifest names'],
  ['files in another order', tarOf([entries[0]!, entries[2]!, entries[1]!]), 'not what its man'],
  ['a file left out', tarOf(entries.slice(0, 2)), '"samples/one.json" is missing'],
  ['no manifest', tarOf(entries.slice(1)), 'is not its one first entry'],
  ['two manifests', tarOf([entries[0]!, ...entries]), 'is not its one first entry'],
  [
    'signatures that are no signatures',
    tarOf([entries[0]!, { name: 'bundle.sig', data: '{}' }, ...entries.slice(1)]),
    'signatures',
  ],
  [
    'signatures at the end',
    tarOf([...entries, { name: 'bundle.sig', data: '{}' }]),
    'is not its second entry',
  ],
  ['a manifest that is no JSON', tarOf([{ name: 'bundle.json', data: '{' }]), 'manifest'],
  [
    'a manifest of nested lists',
    tarOf([{ name: 'bundle.json', data: '['.repeat(500_000) }]),
    'manifest',
  ],
  [
    'a manifest of closed nested lists',
    tarOf([{ name: 'bundle.json', data: '['.repeat(500_000) + ']'.repeat(500_000) }]),
    'manifest',
  ],
  [
    'a manifest over its limit',
    tarOf([{ name: 'bundle.json', data: ' '.repeat(1_048_577) }]),
    'at most 1048576',
  ],
  [
    'a manifest with a key twice',
    tarOf([
      { name: 'bundle.json', data: String(entries[0]?.data).replace('{', '{\n "name": "other",') },
    ]),
    'not written as ledge writes it',
  ],
  ['too many files', tarOf(bundleEntries({ files: manyFiles })), `${FILES_MAX}`],
  [
    'a name twice, told by case',
    tarOf(bundleEntries({ files: { A: '', a: '', ...FILES } })),
    'one',
  ],
  ['a file that is a folder', tarOf(bundleEntries({ files: { a: '', 'a/b': '' } })), 'a folder'],
  ['no flow.yaml', tarOf(bundleEntries({ files: { a: '' } })), 'no flow.yaml'],
  ['a name of a flow that is a path', tarOf(bundleEntries({ name: '../x', files: FILES })), 'name'],
  ['a name of a hidden flow', tarOf(bundleEntries({ name: '.x', files: FILES })), 'name'],
  ['bytes behind the end', Buffer.concat([whole, Buffer.alloc(512)]), 'bytes follow its end'],
  ['something behind the end', Buffer.concat([whole, Buffer.from('x')]), 'bytes follow its end'],
  ['an end cut short', whole.subarray(0, whole.length - 512), 'cut short'],
  ['a content cut short', whole.subarray(0, 3 * 512 + 5), 'cut short'],
])('%s is refused', async (_, bytes, problem) => {
  expect(await refusal(bytes)).toContain(problem);
});

test('a bundle with any byte changed is refused', async () => {
  const taken: number[] = [];
  for (let at = 0; at < whole.length; at += 1) {
    if ((await refusal(changed(at, whole[at]! ^ 0x01))) === 'taken') taken.push(at);
  }
  // The manifest itself may say another version or time: only a signature tells.
  const manifest = { from: 512, to: 512 + Buffer.from(entries[0]!.data).length };
  expect(taken.filter((at) => at < manifest.from || at >= manifest.to)).toEqual([]);
});

test('a bundle cut at any place is refused', async () => {
  for (let end = 0; end < whole.length; end += 64) {
    expect(await refusal(whole.subarray(0, end))).not.toBe('taken');
  }
});
