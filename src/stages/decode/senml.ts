import type { FlowEvent } from '../../flow/event.ts';
import { defineStage, emit, type Outcome } from '../../flow/stage.ts';
import type { Fields } from '../../flow/value.ts';
import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';
import { parseJson } from './json.ts';
import { payloadInvalid, payloadOf, requireBytes } from './payload.ts';
import { checkName, recordSchema, tooManyFields } from './record.ts';

/** RFC 8428, 4.5.3: a time below 2^28 seconds is relative to now. */
const RELATIVE_BELOW = 2 ** 28;
/** RFC 8428, 4.1: the version of the format; a higher one must be refused. */
const VERSION = 10;

/** What of recordSchema holds for SenML, which has its own place for the time. */
export const senmlSchema = recordSchema.omit({ timestampField: true }).extend({
  names: z
    .enum(['short', 'full'])
    .default('short')
    .describe(
      '`short`: the record name alone, so that one flow serves every device; the base name only ' +
        'where a record has no name. `full`: base name and name together, as RFC 8428 resolves it.',
    ),
  recordsMax: z
    .int()
    .min(1)
    .max(4096)
    .default(256)
    .describe('Most SenML records of one payload; more fail with payload-invalid.'),
});

export type SenmlConfig = z.infer<typeof senmlSchema>;

const finite = z.number();
const record = z.object({
  bn: z.string().optional(),
  bt: finite.optional(),
  bu: z.string().optional(),
  bv: finite.optional(),
  bs: finite.optional(),
  bver: finite.optional(),
  n: z.string().optional(),
  u: z.string().optional(),
  v: finite.optional(),
  vb: z.boolean().optional(),
  vs: z.string().optional(),
  vd: z.string().optional(),
  s: finite.optional(),
  t: finite.optional(),
  ut: finite.optional(),
});

/**
 * A SenML pack in JSON (RFC 8428): one record of fields for each time that occurs in it, oldest
 * first; the event takes the newest time.
 * Fails with payload-invalid, payload-too-large, value-invalid.
 */
export const senml = defineStage<SenmlConfig>({
  kind: 'senml',
  phase: 'decode',
  summary: 'Reads a SenML pack (RFC 8428, JSON): one record of fields per time that occurs in it.',
  schema: senmlSchema,
  create(config, context) {
    requireBytes(context);
    return {
      output: { kind: 'fields' },
      scope: 'shared',
      open: () => ({
        run: (value, { event }) =>
          decodeSenml(payloadOf(value, config.payloadBytesMax), config, event),
      }),
    };
  },
});

/** One SenML pack as fields. The bytes are within their limit already. */
export function decodeSenml(bytes: Uint8Array, config: SenmlConfig, event: FlowEvent): Outcome {
  const records = parsePack(parseJson(bytes), config.recordsMax);
  const byTime = new Map<number, Record<string, number>>();
  const base = { name: '', time: 0, value: 0 };
  for (const [index, entry] of records.entries()) {
    base.name = entry.bn ?? base.name;
    base.time = entry.bt ?? base.time;
    base.value = entry.bv ?? base.value;
    const value = entryValue(entry, base.value, index);
    if (value === undefined) continue;
    const time = timeOf(base.time + (entry.t ?? 0), event.ts);
    const fields = byTime.get(time) ?? {};
    byTime.set(time, fields);
    setField(fields, nameOf(base.name, entry.n ?? '', config.names), value);
    if (Object.keys(fields).length > config.fieldsMax) throw tooManyFields(config.fieldsMax);
  }
  if (byTime.size === 0) throw payloadInvalid('SenML', 'no record has a value');
  const times = [...byTime.keys()].sort((a, b) => a - b);
  event.ts = times.at(-1)!;
  const values = times.map((time): Fields => ({ kind: 'fields', fields: byTime.get(time)! }));
  return values.length === 1 ? emit(values[0]!) : { kind: 'emit-many', values };
}

function parsePack(parsed: unknown, recordsMax: number): z.infer<typeof record>[] {
  if (!Array.isArray(parsed)) throw payloadInvalid('SenML', 'expected a list of records');
  if (parsed.length > recordsMax) {
    throw payloadInvalid('SenML', `${parsed.length} records, the limit is ${recordsMax}`);
  }
  return parsed.map((entry: unknown, index) => {
    const result = record.safeParse(entry);
    if (!result.success) {
      const [issue] = result.error.issues;
      throw payloadInvalid('SenML', `[${index}].${issue?.path.join('.')}: ${issue?.message}`);
    }
    checkUnderstood(entry as object, index, result.data.bver);
    return result.data;
  });
}

/** RFC 8428, 4.4: a label that ends in `_` must be understood, or the pack refused. */
function checkUnderstood(entry: object, index: number, version = VERSION): void {
  const label = Object.keys(entry).find((key) => key.endsWith('_'));
  if (label !== undefined) {
    throw payloadInvalid('SenML', `[${index}].${label} must be understood, and is not`);
  }
  if (version > VERSION) {
    throw payloadInvalid('SenML', `[${index}].bver is ${version}, expected at most ${VERSION}`);
  }
}

/** Undefined for a record that only sets base fields. */
function entryValue(
  entry: z.infer<typeof record>,
  base: number,
  index: number,
): number | undefined {
  if (entry.vs !== undefined || entry.vd !== undefined) {
    const field = entry.vs === undefined ? 'vd' : 'vs';
    throw new LedgeError(
      'value-invalid',
      `Cannot decode SenML: [${index}] (${entry.n ?? entry.bn ?? ''}) has a ${field}, ` +
        'expected v or vb',
      { context: { field: entry.n ?? '' } },
    );
  }
  if (entry.vb !== undefined) return entry.vb ? 1 : 0;
  const value = entry.v === undefined ? undefined : base + entry.v;
  if (value !== undefined && !Number.isFinite(value)) {
    throw new LedgeError('value-invalid', `Cannot decode SenML: [${index}] bv + v is ${value}`);
  }
  return value;
}

function timeOf(seconds: number, nowMs: number): number {
  return seconds < RELATIVE_BELOW ? nowMs + seconds * 1000 : seconds * 1000;
}

function nameOf(base: string, name: string, names: SenmlConfig['names']): string {
  return checkName(names === 'full' || name === '' ? base + name : name);
}

function setField(fields: Record<string, number>, name: string, value: number): void {
  if (Object.hasOwn(fields, name)) {
    throw new LedgeError(
      'value-invalid',
      `Cannot decode SenML: ${name} occurs twice at one time; names: full keeps devices apart`,
      { context: { field: name } },
    );
  }
  fields[name] = value;
}
