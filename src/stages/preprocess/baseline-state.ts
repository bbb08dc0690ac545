import type { LearnedNormal } from '../../signal/learned-normal.ts';
import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';

/** Where one device stands: nothing seen, rows being gathered, or its normal known. */
export type BaselineState =
  | { readonly phase: 'new' }
  | {
      readonly phase: 'learning';
      readonly names: readonly string[];
      seen: number;
      readonly rows: Float64Array; // [learn, n], the first `seen` are filled
    }
  | {
      readonly phase: 'learned';
      readonly names: readonly string[];
      readonly normal: LearnedNormal;
      readonly reference: Float64Array; // [n], follows slow drift
      readonly recent: Float64Array; // [window, n], scaled rows, the newest last
    };

/** What of the stage's configuration a kept state must agree with. */
interface BaselineShape {
  readonly fields?: readonly string[] | undefined;
  readonly learn: number;
  readonly window: number;
}

/** Float64 arrays are kept as base64: a third of the length of JSON numbers, and exact. */
const arraySchema = z
  .base64()
  .transform((text) => Buffer.from(text, 'base64'))
  .refine((bytes) => bytes.byteLength % 8 === 0, 'whole float64 values')
  .transform((bytes) => new Float64Array(Uint8Array.from(bytes).buffer))
  .refine((values) => values.every(Number.isFinite), 'finite values');

const names = z.array(z.string().min(1)).min(1);

const stateSchema = z.discriminatedUnion('phase', [
  z.strictObject({
    phase: z.literal('learning'),
    names,
    seen: z.int().min(1),
    learn: z.int().min(1),
    rows: arraySchema,
  }),
  z.strictObject({
    phase: z.literal('learned'),
    names,
    window: z.int().min(1),
    mean: arraySchema,
    scale: arraySchema,
    whiten: arraySchema,
    reference: arraySchema,
    learnedReference: arraySchema,
    recent: arraySchema,
  }),
]);

/** A state as JSON values, undefined before any event; `seen` of `learn` tells the progress. */
export function writeBaselineState(
  state: BaselineState,
  { learn, window }: BaselineShape,
): unknown {
  if (state.phase === 'new') return undefined;
  if (state.phase === 'learning') {
    const { seen, rows } = state;
    const filled = write(rows.subarray(0, seen * state.names.length));
    return { phase: 'learning', names: state.names, seen, learn, rows: filled };
  }
  const { normal } = state;
  return {
    phase: 'learned',
    names: state.names,
    window,
    mean: write(normal.mean),
    scale: write(normal.scale),
    whiten: write(normal.whiten),
    reference: write(state.reference),
    learnedReference: write(normal.reference),
    recent: write(state.recent),
  };
}

/** Takes a written state back. Throws where it does not parse or does not fit the configuration. */
export function parseBaselineState(kept: unknown, shape: BaselineShape): BaselineState {
  const state = stateSchema.parse(kept);
  const n = state.names.length;
  if (shape.fields !== undefined && shape.fields.join('\n') !== state.names.join('\n')) {
    throw misfit(`the fields ${state.names.join(', ')}`);
  }
  if (state.phase === 'learning') {
    if (state.seen >= shape.learn || state.rows.length !== state.seen * n) {
      throw misfit(`${state.seen} events of ${shape.learn}`);
    }
    const rows = new Float64Array(shape.learn * n);
    rows.set(state.rows);
    return { phase: 'learning', names: state.names, seen: state.seen, rows };
  }
  const { mean, scale, whiten, reference, learnedReference, recent } = state;
  const lengths = [mean, scale, reference, learnedReference].every(({ length }) => length === n);
  if (!lengths || whiten.length !== n * n || recent.length !== shape.window * n) {
    throw misfit(`a window of ${state.window} events of ${n} fields`);
  }
  const normal = { mean, scale, whiten, reference: learnedReference };
  return { phase: 'learned', names: state.names, normal, reference, recent };
}

function write(values: Float64Array): string {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64');
}

function misfit(found: string): LedgeError {
  return new LedgeError(
    'value-invalid',
    `Cannot take the learned normal back: it was kept for ${found}, the flow is another now`,
  );
}
