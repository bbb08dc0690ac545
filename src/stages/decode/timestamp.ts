import { LedgeError } from '../../std/error.ts';

/** Numbers below are seconds, from here on milliseconds: 5138 in seconds, 1973 in milliseconds. */
const MILLISECONDS_FROM = 1e11;
/** The year 5138 in milliseconds: above it a number counts something else, such as microseconds. */
const TIMESTAMP_MS_MAX = 1e14;

const ISO_8601 = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?)?$/;
const HAS_ZONE = /(Z|[+-]\d{2}:\d{2})$/;

/** Characters of a wrong time that are told. */
const TOLD_CHARACTERS_MAX = 64;

/**
 * Milliseconds since 1970 from seconds, milliseconds or ISO 8601 text (UTC where it names no zone).
 * Throws LedgeError value-invalid naming the field.
 */
export function parseTimestamp(value: unknown, field: string): number {
  const ms = typeof value === 'number' ? fromNumber(value) : fromText(value);
  if (Number.isFinite(ms) && ms >= 0 && ms < TIMESTAMP_MS_MAX) return ms;
  throw new LedgeError(
    'value-invalid',
    `Cannot read the time of the event: ${field} is ${describeTime(value)}, ` +
      'expected seconds or milliseconds since 1970, or ISO 8601',
    { context: { field } },
  );
}

function fromNumber(value: number): number {
  return value < MILLISECONDS_FROM ? value * 1000 : value;
}

function fromText(value: unknown): number {
  if (typeof value !== 'string' || !ISO_8601.test(value)) return Number.NaN;
  // A date alone is UTC for Date.parse; a time without a zone would be the node's local one.
  return Date.parse(value.includes('T') && !HAS_ZONE.test(value) ? `${value}Z` : value);
}

/** Only scalars are shown: the value comes from outside and may be nested without end. */
function describeTime(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  return typeof value === 'string'
    ? JSON.stringify(value.slice(0, TOLD_CHARACTERS_MAX))
    : String(value);
}
