import {
  type CompiledStep,
  emit,
  FieldError,
  HOLD,
  type Outcome,
  type Step,
} from '../../flow/stage.ts';
import type { ValueType } from '../../flow/value.ts';
import { z } from '../../std/schema.ts';
import { FREE, float32, type Tensor } from '../../tensor/tensor.ts';
import { fieldOrder, readFields } from './field-order.ts';
import type { WindowConfig } from './window.ts';

/** More records than any hop: the first window waits for no other. */
const SINCE_MAX = Number.MAX_SAFE_INTEGER;

/** One record: when it happened, and its fields in the order of the columns. */
type Row = readonly [ts: number, ...values: number[]];

interface State {
  /** Oldest first. */
  rows: Row[];
  /** When the series began. */
  startTs: number;
  /** Records, and time, since the window before; the first one is due when it is full. */
  since: number;
  lastTs: number;
}

/** Which records make the next window, and whether it is complete. */
interface Rule {
  trim(rows: Row[]): void;
  due(state: State): boolean;
}

/** `window` over records: [size, fields], or [?, fields] by time. Throws FieldError. */
export function compileRecordWindow(
  config: WindowConfig,
  input: Extract<ValueType, { kind: 'fields' }>,
): CompiledStep {
  const fields = fieldOrder(config.fields, input);
  if (config.pad !== 0) throw new FieldError('pad', config.pad, '0 for records');
  const other = config.size === undefined ? 'hop' : 'hopSeconds';
  if (config[other] !== undefined) {
    throw new FieldError(other, config[other], 'hop beside size, hopSeconds beside seconds');
  }
  const rule = config.size === undefined ? byTime(config) : byCount(config.size, config.hop);
  return {
    output: {
      kind: 'tensor',
      type: 'float32',
      shape: [config.size ?? FREE, fields.length],
      labels: fields,
    },
    scope: 'device',
    open: () => openRecords(fields, rule, config.gapSeconds),
  };
}

function byCount(size: number, hop = size): Rule {
  return {
    trim: (rows) => rows.splice(0, Math.max(0, rows.length - size)),
    due: ({ rows, since }) => rows.length === size && since >= hop,
  };
}

function byTime(config: WindowConfig): Rule {
  const spanMs = config.seconds! * 1000;
  const hopMs = (config.hopSeconds ?? config.seconds!) * 1000;
  return {
    trim(rows) {
      const newest = rows.at(-1)![0];
      const old = rows.findIndex(([ts]) => ts > newest - spanMs);
      rows.splice(0, Math.max(old, rows.length - config.recordsMax));
    },
    due({ rows, startTs, lastTs }) {
      const newest = rows.at(-1)![0];
      return newest - startTs >= spanMs && newest - lastTs >= hopMs;
    },
  };
}

function openRecords(fields: readonly string[], rule: Rule, gapSeconds = Infinity): Step {
  let state: State | undefined;
  return {
    run(value, { event: { ts } }): Outcome {
      const row: Row = [ts, ...readFields(value, fields)];
      if (state === undefined || ts - state.rows.at(-1)![0] > gapSeconds * 1000) {
        state = { rows: [], startTs: ts, since: SINCE_MAX, lastTs: 0 };
      }
      insert(state.rows, row);
      state.since = Math.min(state.since + 1, SINCE_MAX);
      rule.trim(state.rows);
      if (!rule.due(state)) return HOLD;
      state.since = 0;
      state.lastTs = state.rows.at(-1)![0];
      return emit(tableOf(state.rows, fields.length));
    },
    snapshot: () => structuredClone(state),
    restore(saved) {
      state = parseState(saved, fields.length);
    },
  };
}

const stateSchema = z.strictObject({
  rows: z.array(z.array(z.number()).min(2)).min(1),
  startTs: z.number(),
  since: z.int().min(0),
  lastTs: z.number(),
});

function parseState(saved: unknown, width: number): State {
  const state = stateSchema.parse(saved);
  if (state.rows.some((row) => row.length !== width + 1)) {
    throw new TypeError(`a saved record has not the ${width} fields of the flow`);
  }
  return state as unknown as State;
}

/** Late records take their place by time. */
function insert(rows: Row[], row: Row): void {
  let at = rows.length;
  while (at > 0 && rows[at - 1]![0] > row[0]) at--;
  rows.splice(at, 0, row);
}

function tableOf(rows: readonly Row[], width: number): Tensor {
  const data = new Float32Array(rows.length * width);
  for (const [index, row] of rows.entries()) data.set(row.slice(1), index * width);
  return float32([rows.length, width], data);
}
