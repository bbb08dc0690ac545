import { LedgeError } from '../../src/std/error.ts';

/** The sizes of a Llama model in llama2.c's format. */
export interface LlamaShape {
  readonly width: number;
  /** Of the feed-forward layers. */
  readonly inner: number;
  readonly layers: number;
  readonly heads: number;
  /** Heads of keys and values; several heads of queries share one. */
  readonly keyHeads: number;
  readonly vocabulary: number;
  readonly positions: number;
}

/** One layer's numbers; matrices are [outputs, inputs]. */
export interface LlamaLayer {
  readonly attentionNorm: Float32Array;
  readonly query: Float32Array;
  readonly key: Float32Array;
  readonly value: Float32Array;
  readonly output: Float32Array;
  readonly feedNorm: Float32Array;
  readonly gate: Float32Array;
  readonly down: Float32Array;
  readonly up: Float32Array;
}

export interface Llama {
  readonly shape: LlamaShape;
  /** [vocabulary, width]. */
  readonly table: Float32Array;
  readonly layers: readonly LlamaLayer[];
  readonly lastNorm: Float32Array;
  /** [vocabulary, width]; the table itself where they are tied. */
  readonly head: Float32Array;
}

const HEADER_NUMBERS = 7;
/** A larger model is no tiny one: this reader holds every number in memory. */
const SIZE_MAX = 65_536;

export interface ReadingOptions {
  /**
   * How often each matrix of the file was transposed as if it were [inputs, outputs] each time. 0 is
   * llama2.c's format itself; a conversion that turns every matrix once for each layer leaves as many.
   */
  readonly turns?: number;
}

/** Reads llama2.c's first format: seven sizes, then all float32 numbers, kind by kind. */
export function parseLlama2c(bytes: Uint8Array, { turns = 0 }: ReadingOptions = {}): Llama {
  if (bytes.length < HEADER_NUMBERS * 4) throw invalid(`it has ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const [width = 0, inner = 0, layers = 0, heads = 0, keyHeads = 0, signed = 0, positions = 0] =
    Array.from({ length: HEADER_NUMBERS }, (_, at) => view.getInt32(at * 4, true));
  const vocabulary = Math.abs(signed);
  const shape = { width, inner, layers, heads, keyHeads, vocabulary, positions };
  for (const [name, size] of Object.entries(shape)) {
    if (size < 1 || size > SIZE_MAX) throw invalid(`its ${name} is ${size}`);
  }
  if (width % heads !== 0 || heads % keyHeads !== 0) {
    throw invalid(`${heads} heads of ${width} numbers, ${keyHeads} of keys`);
  }
  let place = HEADER_NUMBERS * 4;
  const take = (count: number): Float32Array => {
    const end = place + count * 4;
    if (end > bytes.length) throw invalid(`it ends after ${bytes.length} bytes`);
    const numbers = new Float32Array(count);
    new Uint8Array(numbers.buffer).set(bytes.subarray(place, end));
    place = end;
    return numbers;
  };
  const vectors = (count: number) => Array.from({ length: layers }, () => take(count));
  const matrices = (outputs: number, inputs: number) =>
    Array.from({ length: layers }, () =>
      turnBack(take(outputs * inputs), { outputs, inputs, turns }),
    );
  const keys = (width / heads) * keyHeads;
  const table = take(vocabulary * width);
  const attentionNorms = vectors(width);
  const queries = matrices(width, width);
  const keyParts = matrices(keys, width);
  const values = matrices(keys, width);
  const outputs = matrices(width, width);
  const feedNorms = vectors(width);
  const gates = matrices(inner, width);
  const downs = matrices(width, inner);
  const ups = matrices(inner, width);
  const lastNorm = take(width);
  // Sines and cosines that follow are computed anew; a negative vocabulary says that a head comes last.
  if (signed < 0) take(positions * (width / heads));
  const head = signed < 0 ? take(vocabulary * width) : table;
  return {
    shape,
    table,
    lastNorm,
    head,
    layers: Array.from({ length: layers }, (_, at) => ({
      attentionNorm: attentionNorms[at]!,
      query: queries[at]!,
      key: keyParts[at]!,
      value: values[at]!,
      output: outputs[at]!,
      feedNorm: feedNorms[at]!,
      gate: gates[at]!,
      down: downs[at]!,
      up: ups[at]!,
    })),
  };
}

/** Reads llama2.c's tokenizer: the text of each token. */
export function parseTokens(bytes: Uint8Array, count: number): readonly string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const decoder = new TextDecoder();
  let place = 4;
  return Array.from({ length: count }, () => {
    const length = view.getInt32(place + 4, true);
    const start = place + 8;
    place = start + length;
    return decoder.decode(bytes.subarray(start, place));
  });
}

/** Turns a matrix back as often as it was turned: read as [outputs, inputs], written the other way. */
function turnBack(
  stored: Float32Array,
  { outputs, inputs, turns }: { outputs: number; inputs: number; turns: number },
): Float32Array {
  let matrix = stored;
  for (let turn = 0; turn < turns; turn += 1) {
    const before = matrix;
    matrix = before.map((_, at) => before[(at % outputs) * inputs + Math.floor(at / outputs)]!);
  }
  return matrix;
}

function invalid(state: string): LedgeError {
  return new LedgeError('model-invalid', `Cannot read the model in llama2.c's format: ${state}`);
}
