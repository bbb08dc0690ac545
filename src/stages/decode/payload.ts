import { FieldError, type StageContext } from '../../flow/stage.ts';
import type { Value } from '../../flow/value.ts';
import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';

/** Most bytes that any decode stage may be configured to read: the broker's largest packet. */
export const PAYLOAD_BYTES_MAX = 256 * 1024 * 1024;

/** The `payloadBytesMax` of a decode stage, with the default that fits its format. */
export function payloadLimit(bytes: number) {
  return z
    .int()
    .min(1)
    .max(PAYLOAD_BYTES_MAX)
    .default(bytes)
    .describe('Largest payload that is read, bytes; a larger one fails with payload-too-large.');
}

/** Throws FieldError unless the stage stands where the payload of an event comes in. */
export function requireBytes(context: StageContext): void {
  if (context.input.kind !== 'bytes') {
    throw new FieldError('', context.input.kind, 'the bytes of an event: put the stage first');
  }
}

/** The bytes of a value, within the limit. Throws LedgeError payload-too-large. */
export function payloadOf(value: Value, bytesMax: number): Uint8Array {
  if (value.kind !== 'bytes') throw new TypeError(`a decode stage was given a ${value.kind}`);
  const { bytes } = value;
  if (bytes.byteLength > bytesMax) {
    throw new LedgeError(
      'payload-too-large',
      `Cannot decode the payload: it has ${bytes.byteLength} bytes, the limit is ${bytesMax}`,
      { context: { bytes: bytes.byteLength, payloadBytesMax: bytesMax } },
    );
  }
  return bytes;
}

/** A payload that does not parse: the message is "Cannot decode FORMAT: STATE". */
export function payloadInvalid(format: string, state: string, cause?: unknown): LedgeError {
  return new LedgeError('payload-invalid', `Cannot decode ${format}: ${state}`, { cause });
}

/** UTF-8 as text. Throws LedgeError payload-invalid where the bytes are not UTF-8. */
export function utf8Of(bytes: Uint8Array, format: string): string {
  try {
    return UTF8.decode(bytes);
  } catch (error) {
    throw payloadInvalid(format, 'the bytes are not UTF-8', error);
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true });
