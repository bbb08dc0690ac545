import { crc32 } from 'node:zlib';

/** CRC-32 of key and value, little-endian, in front of every value on disk. */
const SEAL_BYTES = 4;

/**
 * A value as it lies on disk: behind a checksum over its key and itself, so that neither a flipped bit
 * nor a value under another's key is ever taken for sound.
 */
export function seal(key: string, value: Uint8Array): Uint8Array {
  const sealed = Buffer.allocUnsafe(SEAL_BYTES + value.byteLength);
  sealed.writeUInt32LE(crc32(value, crc32(key)), 0);
  sealed.set(value, SEAL_BYTES);
  return sealed;
}

/** The value behind its checksum, sharing memory, or undefined where the two do not agree. */
export function unseal(key: string, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.byteLength < SEAL_BYTES) return undefined;
  const value = sealed.subarray(SEAL_BYTES);
  const told = new DataView(sealed.buffer, sealed.byteOffset).getUint32(0, true);
  return told === crc32(value, crc32(key)) ? value : undefined;
}
