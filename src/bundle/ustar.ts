import { LedgeError } from '../std/error.ts';
import { tell } from './entry-path.ts';

/** Tar counts in blocks [POSIX.1-1988, ustar]. */
export const BLOCK_BYTES = 512;
/** Two empty blocks end an archive. */
export const END_BYTES = 2 * BLOCK_BYTES;

const NAME_BYTES = 100;
const SIZE_AT = 124;
const SIZE_DIGITS = 11;
const CHECKSUM_AT = 148;
const TYPE_AT = 156;
const MAGIC_AT = 257;
const PREFIX_AT = 345;
const PREFIX_BYTES = 155;
/** Eleven octal digits. */
const SIZE_MAX = 8 ** SIZE_DIGITS - 1;

const FIXED_FIELDS: readonly (readonly [at: number, text: string])[] = [
  [100, '0000644\0'], // mode
  [108, '0000000\0'], // owner
  [116, '0000000\0'], // group
  [136, '00000000000\0'], // time: bundles of the same files are the same bytes
  [TYPE_AT, '0'],
  [MAGIC_AT, 'ustar\x0000'],
  [329, '0000000\0'], // device, major
  [337, '0000000\0'], // device, minor
];

/** What other writers put into a tar, by the letter of its header. */
const KINDS: Readonly<Record<string, string>> = {
  '\0': 'an entry of an old tar',
  '1': 'a hard link',
  '2': 'a symbolic link',
  '3': 'a device',
  '4': 'a device',
  '5': 'a folder entry',
  '6': 'a pipe',
  L: 'a long name of GNU tar',
  K: 'a long link of GNU tar',
  S: 'a sparse file',
  x: 'a PAX header',
  g: 'a PAX header',
};

/** A file of an archive as its header tells it: `files/flow.yaml`, and its bytes. */
export interface Header {
  readonly name: string;
  readonly size: number;
}

/**
 * The header of a regular file: mode 0644, owner 0, time 0, so that equal files give equal archives. A
 * folder before the first slash goes into the prefix field. Throws TypeError on what does not fit.
 */
export function encodeHeader({ name, size }: Header): Uint8Array {
  const slash = name.indexOf('/');
  const prefix = slash === -1 ? '' : name.slice(0, slash);
  const rest = name.slice(slash + 1);
  if (rest.length > NAME_BYTES || prefix.length > PREFIX_BYTES || size > SIZE_MAX) {
    throw new TypeError(`no header can hold ${name} of ${size} bytes`);
  }
  const block = Buffer.alloc(BLOCK_BYTES);
  block.write(rest, 0, 'latin1');
  for (const [at, text] of FIXED_FIELDS) block.write(text, at, 'latin1');
  block.write(size.toString(8).padStart(SIZE_DIGITS, '0'), SIZE_AT, 'latin1');
  block.write(prefix, PREFIX_AT, 'latin1');
  block.write(`${checksumOf(block).toString(8).padStart(6, '0')}\0 `, CHECKSUM_AT, 'latin1');
  return block;
}

/**
 * Reads a header block. Only what `encodeHeader` writes is taken, byte for byte: links, devices, PAX and
 * GNU extensions, sparse files, other owners and times are refused. Throws bundle-invalid.
 */
export function parseHeader(bytes: Uint8Array): Header {
  const block = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (block.length !== BLOCK_BYTES) throw tarInvalid('it ends within a header');
  if (block.toString('latin1', MAGIC_AT, MAGIC_AT + 8) !== 'ustar\x0000') {
    throw tarInvalid('an entry has no ustar header');
  }
  const checksum = `${checksumOf(block).toString(8).padStart(6, '0')}\0 `;
  if (block.toString('latin1', CHECKSUM_AT, CHECKSUM_AT + 8) !== checksum) {
    throw tarInvalid('the checksum of a header is wrong');
  }
  const name = textAt(block, 0, NAME_BYTES);
  const prefix = textAt(block, PREFIX_AT, PREFIX_BYTES);
  const type = block.toString('latin1', TYPE_AT, TYPE_AT + 1);
  if (type !== '0') {
    throw tarInvalid(`${tell(name)} is ${KINDS[type] ?? `of the kind ${tell(type)}`}, not a file`);
  }
  const digits = block.toString('latin1', SIZE_AT, SIZE_AT + SIZE_DIGITS + 1);
  if (!/^[0-7]{11}\0$/.test(digits)) throw tarInvalid(`the size of ${tell(name)} is no number`);
  const header = {
    name: prefix === '' ? name : `${prefix}/${name}`,
    size: Number.parseInt(digits, 8),
  };
  if (name === '' || prefix.includes('/') || (prefix === '' && name.includes('/'))) {
    throw tarInvalid(`${tell(header.name)} is not where a bundle has its files`);
  }
  if (!encodeHeader(header).every((byte, at) => byte === block[at])) {
    throw tarInvalid(`the header of ${tell(header.name)} is not one that ledge writes`);
  }
  return header;
}

/** The bytes from the end of a file's data to the next block. */
export function paddingOf(size: number): number {
  return (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES;
}

/** An archive that is none, or not one that ledge wrote. */
export function tarInvalid(state: string): LedgeError {
  return new LedgeError('bundle-invalid', `Cannot read the bundle: ${state}`);
}

/** The sum of a header's bytes, its own field as spaces. */
function checksumOf(block: Uint8Array): number {
  let sum = 8 * 0x20;
  for (let at = 0; at < BLOCK_BYTES; at += 1) {
    if (at < CHECKSUM_AT || at >= CHECKSUM_AT + 8) sum += block[at]!;
  }
  return sum;
}

/** Text up to the first NUL; what stands behind one is told by the comparison of the whole. */
function textAt(block: Buffer, at: number, bytes: number): string {
  const field = block.subarray(at, at + bytes);
  const end = field.indexOf(0);
  return field.toString('latin1', 0, end === -1 ? bytes : end);
}
