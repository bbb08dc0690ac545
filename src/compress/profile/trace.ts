import { readFile, stat } from 'node:fs/promises';
import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';

/** One call of a node, as the runtime wrote it down. */
export interface TraceCall {
  readonly name: string;
  readonly operator: string;
  /** The node's number in its graph: names can occur twice. */
  readonly index: string;
  readonly startUs: number;
  /** The runtime's clock has whole microseconds: what began and ended in one took 0. */
  readonly tookUs: number;
  readonly inputs: readonly TracedTensor[];
  readonly outputs: readonly TracedTensor[];
  /** Bytes that the runtime's own allocator held, and the most that were in use. */
  readonly arenaBytes: number;
  readonly inUseBytes: number;
  /** Calls within: the branch of an If, the turns of a Loop. */
  readonly inner: readonly TraceCall[];
}

/** A tensor as the trace tells it: the element type by the runtime's name. */
export interface TracedTensor {
  readonly type: string;
  readonly shape: readonly number[];
}

/** One run of the model. */
export interface TraceRun {
  readonly startUs: number;
  readonly tookUs: number;
  readonly calls: readonly TraceCall[];
}

/** A trace is read whole; a call is about 800 bytes, so this is some 150,000 calls. */
const TRACE_BYTES_MAX = 134_217_728;

/** The operators that run graphs of their own. */
const CONTROL = new Set(['If', 'Loop', 'Scan', 'SequenceMap']);

// The runtime escapes nothing: a name may hold quotes and line ends, so the last fitting end counts.
const EVENT =
  /^\{"cat" : "(\w+)",.*?"dur" :(\d+),"ts" :(\d+),"ph" : "X","name" :"(.*)","args" : (\{.*\})\}/s;
const SUFFIX = '_kernel_time';

const tensors = z.array(z.record(z.string(), z.array(z.number())));
const bytesText = z.coerce.number().catch(0);
const callSchema = z.object({
  op_name: z.string(),
  node_index: z.string().catch(''),
  input_type_shape: tensors.catch([]),
  output_type_shape: tensors.catch([]),
  mem_arena_held: bytesText,
  mem_in_use_peak: bytesText,
});

/** Reads the runtime's trace, run by run. Throws `unsupported` where it is larger than is read. */
export async function readTrace(file: string): Promise<readonly TraceRun[]> {
  const { size } = await stat(file);
  if (size > TRACE_BYTES_MAX) {
    const state = `one trace has ${size} bytes, the limit is ${TRACE_BYTES_MAX}`;
    throw new LedgeError('unsupported', `Cannot profile the model: ${state}; ask for fewer runs`);
  }
  return parseTrace(await readFile(file, 'utf8'));
}

/** Parses the text of a trace; what is no event of a node or a run is passed over. */
export function parseTrace(text: string): readonly TraceRun[] {
  const runs: TraceRun[] = [];
  let calls: TraceCall[] = [];
  for (const part of text.split(/\n(?=\{"cat" : ")/)) {
    const event = EVENT.exec(part);
    if (event === null) continue;
    const [, category, took, start, name = '', args = ''] = event;
    const times = { startUs: Number(start), tookUs: Number(took) };
    if (category === 'Node' && name.endsWith(SUFFIX)) {
      const call = callOf(name.slice(0, -SUFFIX.length), args, times);
      if (call !== undefined) take(calls, call);
    } else if (name === 'model_run') {
      runs.push({ ...times, calls });
      calls = [];
    }
  }
  return runs;
}

function callOf(
  name: string,
  args: string,
  times: { readonly startUs: number; readonly tookUs: number },
): TraceCall | undefined {
  const parsed = callSchema.safeParse(jsonOf(args));
  if (!parsed.success) return undefined;
  const told = parsed.data;
  return {
    name,
    operator: told.op_name,
    index: told.node_index,
    ...times,
    inputs: told.input_type_shape.flatMap(tensorsOf),
    outputs: told.output_type_shape.flatMap(tensorsOf),
    arenaBytes: told.mem_arena_held,
    inUseBytes: told.mem_in_use_peak,
    inner: [],
  };
}

function tensorsOf(told: Readonly<Record<string, readonly number[]>>): TracedTensor[] {
  return Object.entries(told).map(([type, shape]) => ({ type, shape }));
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Calls are written when they end: those within come before the one they are in. */
function take(calls: TraceCall[], call: TraceCall): void {
  if (!CONTROL.has(call.operator)) {
    calls.push(call);
    return;
  }
  const from = calls.findIndex(({ startUs }) => startUs >= call.startUs);
  const inner = from < 0 ? [] : calls.splice(from);
  calls.push({ ...call, inner });
}
