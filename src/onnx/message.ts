import {
  type Budget,
  type Cursor,
  concatenate,
  cursorOver,
  DELIMITED,
  FIXED32,
  int32Of,
  int64Of,
  malformed,
  nextField,
  payloadOf,
  splitVarints,
  tagOf,
  VARINT,
  varint,
  type WireType,
} from './wire.ts';

/** Fields that a table does not name, tags included, exactly as they stood in the file. */
export interface Unknown {
  /** The field number of the first of them: they are written back in its place. */
  readonly number: number;
  readonly bytes: Uint8Array;
}

/** What every decoded message carries. */
export interface Message {
  readonly unknown: readonly Unknown[];
}

/** How one field of a message is read and written; V is its type in the decoded message. */
export interface Rule<V> {
  readonly number: number;
  readonly wireType: WireType;
  readonly form: 'one' | 'many' | 'packed' | 'message';
  readonly read: (bytes: Uint8Array, cursor: Cursor, budget: Budget) => unknown;
  readonly write: (value: never, originals?: Originals) => readonly Uint8Array[];
  /** Never there: binds V, so that a table fits its message. */
  readonly type?: V;
}

/**
 * The bytes that messages were read from. Messages are never changed, only replaced: one that is still
 * in here is written as it stood, whatever form its writer gave it.
 */
export type Originals = WeakMap<object, Uint8Array>;

/** The fields of a message by the name they have in it. */
export type Table<M extends Message> = {
  readonly [K in keyof Omit<M, 'unknown'>]-?: Rule<NonNullable<M[K]>>;
};

type AnyTable = Readonly<Record<string, Rule<unknown>>>;

const NONE: readonly never[] = [];
const decoder = new TextDecoder('utf-8', { fatal: true });
const encoder = new TextEncoder();

/** A UTF-8 string. */
export function string(number: number): Rule<string> {
  return { number, wireType: DELIMITED, form: 'one', read: textOf, write: encodeText };
}

/** Repeated UTF-8 strings. */
export function strings(number: number): Rule<readonly string[]> {
  return { number, wireType: DELIMITED, form: 'many', read: textOf, write: encodeText };
}

/** Bytes, as a view on the file. */
export function bytes(number: number): Rule<Uint8Array> {
  return { number, wireType: DELIMITED, form: 'one', read: asBytes, write: keepBytes };
}

/** Repeated bytes, as views on the file. */
export function byteStrings(number: number): Rule<readonly Uint8Array[]> {
  return { number, wireType: DELIMITED, form: 'many', read: asBytes, write: keepBytes };
}

/** A 32-bit integer or enum. */
export function int32(number: number): Rule<number> {
  return { number, wireType: VARINT, form: 'one', read: int32Of, write: encodeVarint };
}

/** A 64-bit integer. */
export function int64(number: number): Rule<bigint> {
  return { number, wireType: VARINT, form: 'one', read: int64Of, write: encodeVarint };
}

/** Repeated 64-bit integers, written unpacked as ONNX does. */
export function int64s(number: number): Rule<readonly bigint[]> {
  return { number, wireType: VARINT, form: 'many', read: int64Of, write: encodeVarint };
}

/** A 32-bit float. */
export function float(number: number): Rule<number> {
  return { number, wireType: FIXED32, form: 'one', read: floatOf, write: encodeFloat };
}

/** Repeated 32-bit floats, written unpacked as ONNX does. */
export function floats(number: number): Rule<readonly number[]> {
  return { number, wireType: FIXED32, form: 'many', read: floatOf, write: encodeFloat };
}

/** Repeated numbers that stay packed bytes, so that weights are not copied. */
export function packed(number: number, wireType: 0 | 1 | 5): Rule<Uint8Array> {
  return { number, wireType, form: 'packed', read: asBytes, write: keepBytes };
}

/** A message within a message. The table comes late, because messages nest in circles. */
export function message<M extends Message>(number: number, table: () => Table<M>): Rule<M> {
  const { wireType, read, write } = messages(number, table);
  return { number, wireType, form: 'message', read, write };
}

/** Repeated messages within a message. */
export function messages<M extends Message>(
  number: number,
  table: () => Table<M>,
): Rule<readonly M[]> {
  return {
    number,
    wireType: DELIMITED,
    form: 'many',
    read: (_bytes, { bytes: file, start, stop }, budget) => {
      budget.depth -= 1;
      if (budget.depth < 0) throw malformed(start, 'messages nested deeper than the limit allows');
      const inner = decodeRange(table(), cursorOver(file, start, stop), budget);
      budget.depth += 1;
      return inner;
    },
    write: (value: M, originals) => encodeParts(table(), value, originals),
  };
}

/** Decodes a whole buffer as one message. Throws `model-invalid` over a limit or on bad bytes. */
export function decodeMessage<M extends Message>(
  table: Table<M>,
  file: Uint8Array,
  budget: Budget,
): M {
  return decodeRange(table, cursorOver(file, 0, file.length), budget);
}

/**
 * Encodes a message: what `originals` knows as it stood, other messages with their fields in the order
 * of their numbers, unknown ones among them.
 */
export function encodeMessage<M extends Message>(
  table: Table<M>,
  value: M,
  originals?: Originals,
): Uint8Array {
  return concatenate(encodeParts(table, value, originals));
}

function decodeRange<M extends Message>(table: Table<M>, cursor: Cursor, budget: Budget): M {
  budget.messages -= 1;
  if (budget.messages < 0) throw malformed(cursor.end, 'more messages than the limit allows');
  const from = cursor.position;
  const rules = indexOf(table as AnyTable);
  const found: Record<string, unknown> = {};
  let unknown: Unknown[] | undefined;
  let unknownStop = -1;
  while (nextField(cursor, budget)) {
    const entry = rules.get(cursor.number);
    if (entry !== undefined && accepts(entry.rule, cursor)) {
      take(found, entry, { cursor, budget });
      continue;
    }
    unknown ??= [];
    // A run of unknown fields is one piece, so that many small ones cost nothing.
    const last = unknownStop === cursor.tagStart ? unknown.pop() : undefined;
    const start = last === undefined ? cursor.tagStart : cursor.tagStart - last.bytes.length;
    const bytes = cursor.bytes.subarray(start, cursor.stop);
    unknown.push({ number: last?.number ?? cursor.number, bytes });
    unknownStop = cursor.stop;
  }
  for (const { key, rule } of rules.values()) {
    if (rule.form === 'many' && found[key] === undefined) found[key] = NONE;
  }
  const decoded = { ...found, unknown: unknown ?? NONE } as unknown as M;
  budget.originals?.set(decoded, cursor.bytes.subarray(from, cursor.end));
  return decoded;
}

interface Entry {
  readonly key: string;
  readonly rule: Rule<unknown>;
}

interface Source {
  readonly cursor: Cursor;
  readonly budget: Budget;
}

/** Repeated numbers may come packed; any other mismatch makes a field unknown, as in protobuf. */
function accepts(rule: Rule<unknown>, cursor: Cursor): boolean {
  if (rule.wireType === cursor.wireType) return true;
  return cursor.wireType === DELIMITED && (rule.form === 'many' || rule.form === 'packed');
}

function take(found: Record<string, unknown>, entry: Entry, source: Source): void {
  const { key, rule } = entry;
  const { cursor, budget } = source;
  if (rule.form === 'many') {
    const list = (found[key] as unknown[] | undefined) ?? [];
    found[key] = list;
    if (rule.wireType === cursor.wireType) list.push(rule.read(payloadOf(cursor), cursor, budget));
    else for (const part of elementsOf(rule, source)) list.push(rule.read(part, cursor, budget));
    return;
  }
  const before = found[key];
  if (rule.form === 'message' && before !== undefined) {
    // Protobuf would merge the two, and a reader that keeps one would not see what the runtime runs.
    throw malformed(cursor.tagStart, `a second "${key}" where one belongs`);
  }
  const value = rule.read(payloadOf(cursor), cursor, budget);
  const grows = rule.form === 'packed' && before !== undefined;
  if (grows) throw malformed(cursor.tagStart, `the numbers of "${key}" in several pieces`);
  found[key] = value;
}

/** The numbers of a packed field, each with its own bytes, counted as fields. */
function elementsOf(rule: Rule<unknown>, { cursor, budget }: Source): Uint8Array[] {
  const whole = payloadOf(cursor);
  const size = rule.wireType === FIXED32 ? 4 : 8;
  if (rule.wireType !== VARINT && whole.length % size !== 0) {
    throw malformed(cursor.tagStart, `${whole.length} packed bytes of ${size}-byte numbers`);
  }
  budget.fields -= rule.wireType === VARINT ? whole.length : whole.length / size;
  if (budget.fields < 0) throw malformed(cursor.tagStart, 'more numbers than the limit allows');
  if (rule.wireType === VARINT) return splitVarints(whole);
  return Array.from({ length: whole.length / size }, (_, at) =>
    whole.subarray(at * size, (at + 1) * size),
  );
}

const indexes = new WeakMap<AnyTable, Map<number, Entry>>();

function indexOf(table: AnyTable): Map<number, Entry> {
  let index = indexes.get(table);
  if (index === undefined) {
    const entries = Object.entries(table).sort((a, b) => a[1].number - b[1].number);
    index = new Map(entries.map(([key, rule]) => [rule.number, { key, rule }]));
    indexes.set(table, index);
  }
  return index;
}

interface Piece {
  readonly number: number;
  readonly parts: readonly Uint8Array[];
}

function encodeParts<M extends Message>(
  table: Table<M>,
  value: M,
  originals?: Originals,
): readonly Uint8Array[] {
  const original = originals?.get(value);
  if (original !== undefined) return [original];
  const fields = value as unknown as Readonly<Record<string, unknown>>;
  const pieces: Piece[] = value.unknown.map(({ number, bytes }) => ({ number, parts: [bytes] }));
  for (const { key, rule } of indexOf(table as AnyTable).values()) {
    const held = fields[key];
    if (held === undefined) continue;
    const values = rule.form === 'many' ? (held as readonly unknown[]) : [held];
    for (const one of values) {
      pieces.push({ number: rule.number, parts: encodeField(rule, one, originals) });
    }
  }
  return pieces.sort((a, b) => a.number - b.number).flatMap(({ parts }) => parts);
}

function encodeField(rule: Rule<unknown>, value: unknown, originals?: Originals): Uint8Array[] {
  const payload = rule.write(value as never, originals);
  const wireType = rule.form === 'packed' ? DELIMITED : rule.wireType;
  if (wireType !== DELIMITED) return [tagOf(rule.number, wireType), ...payload];
  const length = payload.reduce((sum, part) => sum + part.length, 0);
  return [tagOf(rule.number, wireType), varint(length), ...payload];
}

function textOf(bytes: Uint8Array, cursor: Cursor): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw malformed(cursor.start, 'a name that is not UTF-8');
  }
}

function encodeText(value: string): Uint8Array[] {
  return [encoder.encode(value)];
}

function asBytes(bytes: Uint8Array): Uint8Array {
  return bytes;
}

function keepBytes(value: Uint8Array): Uint8Array[] {
  return [value];
}

function encodeVarint(value: bigint | number): Uint8Array[] {
  return [varint(value)];
}

function floatOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getFloat32(0, true);
}

function encodeFloat(value: number): Uint8Array[] {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return [bytes];
}
