import { rawBytesOf } from '../../src/onnx/constant.ts';
import type { Model, TensorRecord } from '../../src/onnx/proto.ts';

/** What a prune.json says. */
export interface PruneFile {
  readonly parameters: { readonly before: number; readonly after: number };
  readonly initialisers: readonly {
    readonly name: string;
    readonly axis: number;
    readonly of: number;
    readonly kept: readonly number[];
    readonly as?: string;
  }[];
}

/**
 * The model with zeros in every place that pruning takes away: without them it must give the same.
 * Constants that others read otherwise are left, for what reads the rest of them sees no zeros.
 */
export function withZeros(model: Model, { initialisers }: PruneFile): Model {
  const changed = new Map<string, TensorRecord>();
  const graph = model.graph!;
  for (const { name, axis, kept, as } of initialisers) {
    if (as !== undefined) continue;
    const record = changed.get(name) ?? graph.initializers.find((one) => one.name === name)!;
    const dims = record.dims.map(Number);
    const bytes = new Uint8Array(rawBytesOf(record)!);
    const count = dims.reduce((product, size) => product * size, 1);
    const width = bytes.length / count;
    const step = dims.slice(axis + 1).reduce((product, size) => product * size, 1);
    const stays = new Set(kept);
    for (let at = 0; at < count; at += 1) {
      if (stays.has(Math.floor(at / step) % dims[axis]!)) continue;
      bytes.fill(0, at * width, (at + 1) * width);
    }
    changed.set(name, { ...record, rawData: bytes });
  }
  const initializers = graph.initializers.map((one) => changed.get(one.name ?? '') ?? one);
  return { ...model, graph: { ...graph, initializers } };
}
