import type { TensorData } from '../tensor/tensor.ts';
import type { Outcome, Phase } from './stage.ts';
import type { Value } from './value.ts';

/** What one step did to one value, as `flow trace` prints it. */
export interface TraceEntry {
  readonly step: number;
  readonly stage: string;
  readonly phase: Phase;
  readonly tookMs: number;
  readonly outcome: string;
  /** Shape and range, fields, or the head of the result. */
  readonly output: string;
}

/** Called after each step of an event that is traced. */
export type Tracer = (entry: TraceEntry) => void;

/** Elements looked at for a range: enough for any model input Ledge admits by default. */
const RANGE_ELEMENTS_MAX = 4_000_000;

/** Says in one line what a step gave. */
export function describeOutcome(outcome: Outcome): string {
  if (outcome.kind === 'emit') return describeValue(outcome.value);
  if (outcome.kind === 'drop') return `dropped: ${outcome.reason}`;
  if (outcome.kind === 'hold') return 'held';
  const first = outcome.values[0];
  const head = first === undefined ? '' : `, first ${describeValue(first)}`;
  return `${outcome.values.length} values${head}`;
}

function describeValue(value: Value): string {
  switch (value.kind) {
    case 'bytes':
      return `${value.bytes.byteLength} bytes`;
    case 'text':
      return JSON.stringify(value.text.slice(0, 60));
    case 'fields':
      return JSON.stringify(value.fields).slice(0, 80);
    case 'image':
      return `${value.format} ${value.width}x${value.height}`;
    case 'tensor':
      return `${value.type}[${value.shape.join(', ')}] ${describeRange(value.data)}`;
    case 'tensors':
      return Object.entries(value.tensors)
        .map(
          ([name, { type, shape, data }]) =>
            `${name} ${type}[${shape.join(', ')}] ${describeRange(data)}`,
        )
        .join('; ');
    case 'result':
      return JSON.stringify(value.result).slice(0, 120);
  }
}

function describeRange(data: TensorData): string {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  const count = Math.min(data.length, RANGE_ELEMENTS_MAX);
  for (let index = 0; index < count; index += 1) {
    const element = Number(data[index]);
    if (element < low) low = element;
    if (element > high) high = element;
  }
  return count === 0 ? 'empty' : `${low.toPrecision(4)} .. ${high.toPrecision(4)}`;
}
