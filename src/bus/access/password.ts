import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { LedgeError } from '../../std/error.ts';

/**
 * Cost of one guess: of the sets that OWASP's password storage cheat sheet holds equal for scrypt, the
 * one with 16 MiB, so that a board of 1 GiB can verify two at a time. Some 0.2 s on a PC.
 */
const COST = { logN: 14, r: 8, p: 5 } as const;
const SALT_BYTES = 16;
const HASH_BYTES = 32;
/** What a file may ask for: a line that someone put there must not take all memory or minutes. */
const COST_MAX = { logN: 17, r: 16, p: 16 } as const;
/** As long as a CONNECT could carry is more than anyone types; hashing is linear in it. */
export const PASSWORD_BYTES_MAX = 1024;

const STORED =
  /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{22,43})\$([A-Za-z0-9+/]{43})$/;

interface Stored {
  readonly N: number;
  readonly r: number;
  readonly p: number;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

/** Hashes a password for the users file, with a salt of its own: `$scrypt$ln=14,r=8,p=5$salt$hash`. */
export async function hashPassword(password: string): Promise<string> {
  const bytes = Buffer.byteLength(password);
  if (bytes === 0 || bytes > PASSWORD_BYTES_MAX) {
    const message = `Cannot use a password of ${bytes} bytes: it has 1 to ${PASSWORD_BYTES_MAX}`;
    throw new LedgeError('value-invalid', message);
  }
  const salt = randomBytes(SALT_BYTES);
  const { logN, r, p } = COST;
  const hash = await derive(password, { N: 2 ** logN, r, p, salt, hash: Buffer.alloc(HASH_BYTES) });
  return `$scrypt$ln=${logN},r=${r},p=${p}$${unpadded(salt)}$${unpadded(hash)}`;
}

/** Whether a password is the stored one; false for a stored line that is none. Runs off this thread. */
export async function verifyPassword(password: string, stored: string): Promise<boolean> {
  const parsed = parseStored(stored);
  if (parsed === undefined || Buffer.byteLength(password) > PASSWORD_BYTES_MAX) return false;
  return timingSafeEqual(await derive(password, parsed), parsed.hash);
}

/** Whether a line of the users file is a hash that this program can verify. */
export function isStoredPassword(stored: string): boolean {
  return parseStored(stored) !== undefined;
}

function parseStored(stored: string): Stored | undefined {
  const found = STORED.exec(stored);
  if (found === null) return undefined;
  const [logN, r, p] = [Number(found[1]), Number(found[2]), Number(found[3])];
  if (logN < 1 || r < 1 || p < 1) return undefined;
  if (logN > COST_MAX.logN || r > COST_MAX.r || p > COST_MAX.p) return undefined;
  const salt = Buffer.from(found[4] ?? '', 'base64');
  const hash = Buffer.from(found[5] ?? '', 'base64');
  return hash.length === HASH_BYTES ? { N: 2 ** logN, r, p, salt, hash } : undefined;
}

function derive(password: string, { N, r, p, salt, hash }: Stored): Promise<Buffer> {
  // scrypt holds 128 N r bytes (RFC 7914, 2) and what it mixes; Node refuses more than it is told.
  const maxmem = 128 * r * (N + p + 2) * 2;
  return new Promise((resolve, reject) => {
    scrypt(password.normalize('NFC'), salt, hash.length, { N, r, p, maxmem }, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
