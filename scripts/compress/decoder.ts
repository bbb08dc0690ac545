import { InferenceSession, Tensor } from 'onnxruntime-node';

/** A decoder's cache, as its inputs `past.<layer>.key` and `.value` [1, heads, past, size] want it. */
export interface CacheShape {
  readonly layers: number;
  /** Heads of keys and values. */
  readonly heads: number;
  /** Numbers of one head. */
  readonly size: number;
}

export interface DecoderOptions {
  readonly cache: CacheShape;
  readonly threads: number;
}

/** A language model with its cache. */
export interface Decoder extends AsyncDisposable {
  /** Takes tokens after all that came before; logits [tokens, vocabulary], kept until the next call. */
  step(tokens: readonly number[]): Promise<Float32Array>;
  /** Forgets what came before. */
  reset(): void;
}

/** Opens a model whose inputs are input_ids, position_ids and the cache, on this thread. */
export async function openDecoder(file: string, options: DecoderOptions): Promise<Decoder> {
  const { cache, threads } = options;
  const session = await InferenceSession.create(file, {
    executionProviders: ['cpu'],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: 'all',
    logSeverityLevel: 4,
    // As the node runs it: a thread that waits does not take a core from the others.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  });
  const names = Array.from({ length: cache.layers }, (_, layer) => [
    `${layer}.key`,
    `${layer}.value`,
  ]).flat();
  const empty = () => new Tensor('float32', new Float32Array(0), [1, cache.heads, 0, cache.size]);
  let past = new Map<string, Tensor>(names.map((name) => [name, empty()]));
  let place = 0;
  return {
    async step(tokens) {
      const shape = [1, tokens.length];
      const ids = BigInt64Array.from(tokens, BigInt);
      const places = BigInt64Array.from(tokens, (_, at) => BigInt(place + at));
      const feeds: Record<string, Tensor> = {
        input_ids: new Tensor('int64', ids, shape),
        position_ids: new Tensor('int64', places, shape),
      };
      for (const [name, tensor] of past) feeds[`past.${name}`] = tensor;
      const outputs = await session.run(feeds);
      past = new Map(names.map((name) => [name, outputs[`present.${name}`]!]));
      place += tokens.length;
      return outputs.logits!.data as Float32Array;
    },
    reset() {
      past = new Map(names.map((name) => [name, empty()]));
      place = 0;
    },
    [Symbol.asyncDispose]: () => session.release(),
  };
}

/** The place of the largest number of the last `count`. */
export function argmaxOfLast(logits: Float32Array, count: number): number {
  const start = logits.length - count;
  let best = start;
  for (let at = start; at < logits.length; at += 1) if (logits[at]! > logits[best]!) best = at;
  return best - start;
}
