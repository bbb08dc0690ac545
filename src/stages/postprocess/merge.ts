import { defineStage, emit, FieldError } from '../../flow/stage.ts';
import type { Value, ValueType } from '../../flow/value.ts';
import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';
import { readPath } from './field-path.ts';
import { plainValue } from './plain-value.ts';

const schema = z
  .record(z.string().min(1), z.string().min(1))
  .refine((parts) => Object.keys(parts).length > 0, 'at least one name')
  .describe('Field of the new result -> name given with `as:`, or a path in it: `scores.label`.');

interface Part {
  readonly field: string;
  readonly name: string;
  readonly path: string | undefined;
  readonly labels: readonly string[] | undefined;
}

/** One result out of several stored values. */
export const merge = defineStage({
  kind: 'merge',
  phase: 'postprocess',
  summary: 'Puts values that earlier steps stored under a name into one result.',
  schema,
  create(config, { named }) {
    const parts = Object.entries(config).map(([field, from]) => compilePart(field, from, named));
    return {
      output: { kind: 'result', of: 'merged' },
      scope: 'shared',
      open: () => ({
        run: (_value, context) => {
          const read = parts.map((part) => [part.field, readPart(part, context.named(part.name))]);
          return emit({ kind: 'result', result: Object.fromEntries(read) });
        },
      }),
    };
  },
});

function compilePart(
  field: string,
  from: string,
  named: (name: string) => ValueType | undefined,
): Part {
  const dot = from.indexOf('.');
  const name = dot < 0 ? from : from.slice(0, dot);
  const path = dot < 0 ? undefined : from.slice(dot + 1);
  const type = named(name);
  if (type === undefined) {
    throw new FieldError(field, from, 'a name that an earlier step gives with `as:`');
  }
  if (path !== undefined && type.kind !== 'result') {
    throw new FieldError(field, from, `"${name}" alone: it is no result with fields`);
  }
  const labels = type.kind === 'tensor' ? type.labels : undefined;
  return { field, name, path, labels };
}

function readPart({ name, path, labels }: Part, value: Value | undefined): unknown {
  if (value === undefined) {
    throw new LedgeError('value-invalid', `Cannot merge "${name}": this event has no such value`);
  }
  if (path === undefined || value.kind !== 'result') return plainValue(value, labels);
  const found = readPath(value.result, path);
  if (found !== undefined) return found;
  throw new LedgeError('value-invalid', `Cannot merge "${name}.${path}": it is not in the result`);
}
