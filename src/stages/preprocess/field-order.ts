import { FieldError } from '../../flow/stage.ts';
import type { Value, ValueType } from '../../flow/value.ts';
import { LedgeError } from '../../std/error.ts';

type FieldsType = Extract<ValueType, { kind: 'fields' }>;

/**
 * The fields of a configuration, or all that the input declares. Throws FieldError where neither is
 * known, one occurs twice, or the input declares its fields and one is not among them.
 */
export function fieldOrder(
  wanted: readonly string[] | undefined,
  { names }: FieldsType,
): readonly string[] {
  const fields = wanted ?? names;
  if (fields === undefined) throw new FieldError('fields', undefined, 'the names of the fields');
  for (const [index, field] of fields.entries()) {
    if (fields.indexOf(field) !== index) throw new FieldError('fields', field, 'every field once');
    if (names !== undefined && !names.includes(field)) {
      throw new FieldError('fields', field, `one of ${names.join(', ')}`);
    }
  }
  return fields;
}

/** The input as records. Throws FieldError where it is something else. */
export function requireFields(input: ValueType): FieldsType {
  if (input.kind !== 'fields') throw new FieldError('', input.kind, 'records of fields');
  return input;
}

/** The numbers of a record in order. Throws LedgeError value-invalid naming a missing field. */
export function readFields(value: Value, fields: readonly string[]): number[] {
  if (value.kind !== 'fields') throw new TypeError(`a record stage was given a ${value.kind}`);
  const record = value.fields;
  return fields.map((field) => {
    const number = Object.hasOwn(record, field) ? record[field] : undefined;
    if (number !== undefined) return number;
    throw new LedgeError(
      'value-invalid',
      `Cannot read the record: the field ${field} is missing, it has ${listOf(record)}`,
      { context: { field } },
    );
  });
}

/** The names of a record, the first few of many. */
function listOf(record: Readonly<Record<string, number>>): string {
  const names = Object.keys(record);
  if (names.length === 0) return 'no fields';
  return names.length > 8 ? `${names.slice(0, 8).join(', ')}, ...` : names.join(', ');
}
