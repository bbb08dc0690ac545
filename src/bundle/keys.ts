import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { open } from 'node:fs/promises';
import { LedgeError } from '../std/error.ts';
import { KEY_FILE_BYTES_MAX, KEYS_MAX } from './limits.ts';

const PREFIX = 'ed25519:';
/** The DER header of an ed25519 public key [RFC 8410]; the 32 bytes of the key follow. */
const SPKI_HEADER = Buffer.from('302a300506032b6570032100', 'hex');
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;

/** A public key as text, `ed25519:` and 44 letters of base64: the same key is the same text. */
export type PublicKey = `ed25519:${string}`;

/** A pair of keys, the private one as PEM (PKCS #8). */
export interface KeyPair {
  readonly publicKey: PublicKey;
  readonly privatePem: string;
}

/** Makes a new pair of keys. */
export function generateKeyPair(): KeyPair {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const privatePem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { publicKey: textOf(publicKey), privatePem };
}

/** The text of a public key, from its text or PEM; undefined where it is none. */
export function parsePublicKey(text: string): PublicKey | undefined {
  const line = text.trim();
  if (line.startsWith('-----BEGIN PUBLIC KEY-----')) {
    try {
      const key = createPublicKey(line);
      return key.asymmetricKeyType === 'ed25519' ? textOf(key) : undefined;
    } catch {
      return undefined;
    }
  }
  if (!line.startsWith(PREFIX)) return undefined;
  const raw = bytesOf(line.slice(PREFIX.length), KEY_BYTES);
  return raw === undefined ? undefined : `${PREFIX}${raw.toString('base64')}`;
}

/** A private key that signs, read from a file; nothing of the file shows in an error. */
export async function readPrivateKey(file: string): Promise<KeyObject> {
  const text = await readKeyFile(file);
  try {
    const key = createPrivateKey(text);
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch {
    // The reason could quote the file.
  }
  throw new LedgeError('config-invalid', `Cannot sign: ${file} holds no ed25519 private key`);
}

/** The public half of a private key. */
export function publicKeyOf(privateKey: KeyObject): PublicKey {
  return textOf(createPublicKey(privateKey));
}

/** Signs bytes; ed25519 gives the same signature each time. */
export function signBytes(bytes: Uint8Array, privateKey: KeyObject): string {
  return sign(null, bytes, privateKey).toString('base64');
}

/** Whether a signature in base64 is that of the key over the bytes. Never throws. */
export function isSignedBy(bytes: Uint8Array, signature: string, key: PublicKey): boolean {
  const raw = bytesOf(key.slice(PREFIX.length), KEY_BYTES);
  const value = bytesOf(signature, SIGNATURE_BYTES);
  if (raw === undefined || value === undefined) return false;
  try {
    const spki = Buffer.concat([SPKI_HEADER, raw]);
    return verify(null, bytes, createPublicKey({ key: spki, format: 'der', type: 'spki' }), value);
  } catch {
    return false;
  }
}

/**
 * The keys of a `trust` list: each a key's text or the name of a file that holds one. Fails with
 * config-invalid naming the entry.
 */
export async function loadTrust(list: readonly string[]): Promise<readonly PublicKey[]> {
  if (list.length > KEYS_MAX) {
    throw new LedgeError('config-invalid', `trust has ${list.length} keys, at most ${KEYS_MAX}`);
  }
  const keys = new Set<PublicKey>();
  for (const one of list) {
    const key = parsePublicKey(one.startsWith(PREFIX) ? one : await readKeyFile(one));
    if (key === undefined) {
      const state = `"${one}" is no ed25519 public key and no file of one`;
      throw new LedgeError('config-invalid', `Cannot trust: ${state}`, {
        context: { field: 'trust', value: one },
      });
    }
    keys.add(key);
  }
  return [...keys];
}

async function readKeyFile(file: string): Promise<string> {
  try {
    await using handle = await open(file, 'r');
    const buffer = Buffer.alloc(KEY_FILE_BYTES_MAX + 1);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
    if (bytesRead <= KEY_FILE_BYTES_MAX) return buffer.toString('utf8', 0, bytesRead);
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new LedgeError('config-invalid', `Cannot read the key ${file}: ${reason}`, { cause });
  }
  throw new LedgeError('config-invalid', `Cannot read the key ${file}: it is too long for a key`);
}

function textOf(key: KeyObject): PublicKey {
  const der = key.export({ type: 'spki', format: 'der' });
  return `${PREFIX}${der.subarray(SPKI_HEADER.length).toString('base64')}`;
}

/** Base64 of exactly so many bytes, in its one spelling. */
function bytesOf(text: string, bytes: number): Buffer | undefined {
  const raw = Buffer.from(text, 'base64');
  return raw.length === bytes && raw.toString('base64') === text ? raw : undefined;
}
