import type { Value } from '../../flow/value.ts';
import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';

/** Fields of one device: learning costs their square in memory and their cube in time. */
export const FIELDS_MAX = 64;

/** A value beyond this is a broken sensor, and its square would not be finite. */
export const VALUE_MAX = 1e100;

/** The option `fields` of the steps that watch. */
export const watchedFields = z
  .array(z.string().min(1))
  .min(1)
  .max(FIELDS_MAX)
  .optional()
  .describe('Fields to watch; default: all of the first event, at most 64, in sorted order.');

/** The fields of a device by its first value: those wanted, or all, sorted. Throws value-invalid. */
export function namesOf(value: Value, wanted: readonly string[] | undefined): readonly string[] {
  if (value.kind === 'tensor')
    return checkCount(Array.from({ length: value.data.length }, (_, index) => `${index}`));
  if (value.kind !== 'fields') throw new LedgeError('internal', `no fields in ${value.kind}`);
  return wanted ?? checkCount(Object.keys(value.fields).sort());
}

function checkCount(names: readonly string[]): readonly string[] {
  if (names.length >= 1 && names.length <= FIELDS_MAX) return names;
  throw new LedgeError(
    'value-invalid',
    `Cannot learn a normal: the event has ${names.length} fields, expected 1 to ${FIELDS_MAX}`,
    { context: { fields: names.length } },
  );
}

/** The watched fields of one event, in order. Throws shape-mismatch, value-invalid. */
export function rowOf(value: Value, names: readonly string[]): Float64Array {
  if (value.kind === 'tensor' && value.data.length !== names.length) {
    throw new LedgeError(
      'shape-mismatch',
      `Cannot compare with normal: the tensor has ${value.data.length} elements, ` +
        `normal was learned from ${names.length}`,
    );
  }
  return Float64Array.from(names, (name, index) => {
    const found =
      value.kind === 'tensor'
        ? Number(value.data[index])
        : value.kind === 'fields' && Object.hasOwn(value.fields, name)
          ? value.fields[name]
          : undefined;
    if (found !== undefined && Math.abs(found) <= VALUE_MAX) return found;
    throw new LedgeError(
      'value-invalid',
      `Cannot compare with normal: field "${name}" is ${found ?? 'missing'}`,
      { context: { field: name, value: String(found), expected: 'a finite number' } },
    );
  });
}
