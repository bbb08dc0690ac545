import { crc32 } from 'node:zlib';

/** Of a larger payload only the first and the last so many bytes are digested: a picture costs no more. */
const DIGEST_BYTES = 8_192;

let sequence = 0;

/**
 * The id of an event: a digest of its topic and payload, its arrival, and a number that makes it
 * unique. It is derived once and kept with the event in the journal, so that a replay has the same.
 * Two flows that take the same message give it two ids, which begin alike.
 */
export function eventIdOf(topic: string, payload: Uint8Array, ts: number): string {
  sequence += 1;
  let digest = crc32(payload.subarray(0, DIGEST_BYTES), crc32(topic));
  if (payload.byteLength > DIGEST_BYTES) {
    digest = crc32(
      payload.subarray(Math.max(DIGEST_BYTES, payload.byteLength - DIGEST_BYTES)),
      digest,
    );
  }
  return `${digest.toString(36)}-${ts.toString(36)}-${sequence.toString(36)}`;
}

/** Whether two ids may be those of one message: their digests are equal. */
export function isSameEvent(one: string, other: string): boolean {
  const end = one.indexOf('-');
  return end > 0 && one.slice(0, end + 1) === other.slice(0, end + 1);
}
