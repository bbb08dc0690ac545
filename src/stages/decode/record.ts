import type { FlowEvent } from '../../flow/event.ts';
import { emit, type Outcome } from '../../flow/stage.ts';
import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';
import { payloadLimit } from './payload.ts';
import { parseTimestamp } from './timestamp.ts';

/** 64 KiB holds a thousand fields with long names; a sensor sends a few hundred bytes. */
const RECORD_BYTES = 64 * 1024;
/** Most fields that a record may be allowed: each becomes a property of an object. */
const FIELDS_MAX = 4096;
/** A field's name is printed in messages and labels. */
const NAME_LENGTH_MAX = 256;

/** What json, msgpack and sensor share in their configuration. */
export const recordSchema = z.strictObject({
  payloadBytesMax: payloadLimit(RECORD_BYTES),
  fieldsMax: z
    .int()
    .min(1)
    .max(FIELDS_MAX)
    .default(256)
    .describe('Most fields of one record; more fail with payload-invalid.'),
  timestampField: z
    .string()
    .min(1)
    .default('ts')
    .describe('The field with the time: seconds, milliseconds or ISO 8601. It becomes the ts.'),
});

export type RecordConfig = z.infer<typeof recordSchema>;

/**
 * A flat record of finite numbers out of parsed entries; booleans become 0 and 1, and the time goes
 * to the event. Throws LedgeError payload-invalid or value-invalid naming the field.
 */
export function recordOf(
  entries: Readonly<Record<string, unknown>>,
  { fieldsMax, timestampField }: RecordConfig,
  event: FlowEvent,
): Outcome {
  const fields: Record<string, number> = {};
  let ts = event.ts;
  let count = 0;
  for (const [name, value] of Object.entries(entries)) {
    if (++count > fieldsMax) throw tooManyFields(fieldsMax);
    if (name === timestampField) ts = parseTimestamp(value, name);
    else fields[checkName(name)] = numberOf(value, name);
  }
  event.ts = ts;
  return emit({ kind: 'fields', fields });
}

/** A record with more fields than its limit. */
export function tooManyFields(fieldsMax: number): LedgeError {
  return new LedgeError(
    'payload-invalid',
    `Cannot decode the record: it has more than ${fieldsMax} fields, the limit of fieldsMax`,
    { context: { fieldsMax } },
  );
}

/** A name that may become a field. Throws LedgeError payload-invalid. */
export function checkName(name: string): string {
  if (name !== '__proto__' && name.length > 0 && name.length <= NAME_LENGTH_MAX) return name;
  throw new LedgeError(
    'payload-invalid',
    `Cannot decode the record: ${JSON.stringify(name.slice(0, 32))} is no name for a field, ` +
      `expected 1 to ${NAME_LENGTH_MAX} characters`,
  );
}

/** A finite number, or 0 and 1 for a boolean. Throws LedgeError value-invalid naming the field. */
export function numberOf(value: unknown, field: string): number {
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'bigint') return Number(value);
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new LedgeError(
    'value-invalid',
    `Cannot decode the record: ${field} is ${describeValue(value)}, expected a finite number`,
    { context: { field } },
  );
}

function describeValue(value: unknown): string {
  if (value === null || typeof value === 'number') return String(value);
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
