import { readsOf } from '../../onnx/names.ts';
import type { ExecutedNode } from './executed-nodes.ts';
import type { KnownTensors } from './tensors.ts';
import { VIEWS } from './work.ts';

/** How much room the values between nodes need. */
export interface Activations {
  /** All that nodes make in one run, each counted once. */
  readonly totalBytes: number;
  /** The most that is needed at the same time, inputs included. */
  readonly peakBytes: number;
  /** The node during which that is so. */
  readonly peakAt: string;
}

/**
 * Liveness over the order of execution: a value is there from the node that makes it until the last that
 * reads it. Views share their input's room; what the runtime writes in place counts as two.
 */
export function measureActivations(
  executed: readonly ExecutedNode[],
  known: KnownTensors,
  outputs: readonly string[],
): Activations {
  const top = executed.filter(({ depth }) => depth === 0);
  const roots = new Map<string, string>();
  const rootOf = (name: string) => roots.get(name) ?? name;
  for (const { node, operator } of top) {
    const [input = ''] = node?.inputs ?? [];
    // A view of a weight is a value of its own: the weights' room is counted elsewhere.
    if (!VIEWS.has(operator) || known.get(rootOf(input))?.kind === 'weight') continue;
    for (const name of node?.outputs ?? []) roots.set(name, rootOf(input));
  }
  const bytesOf = (name: string) => {
    const tensor = known.get(name);
    return tensor === undefined || tensor.kind === 'weight' ? 0 : tensor.bytes;
  };
  const lastUse = lastUses(top, outputs, rootOf);
  let live = 0;
  for (const [name, { kind, bytes }] of known) {
    if (kind === 'input' && lastUse.has(name)) live += bytes;
  }
  let totalBytes = 0;
  let peak = { bytes: live, at: '' };
  for (const [at, { node, name }] of top.entries()) {
    for (const output of node?.outputs ?? []) {
      if (output === '' || roots.has(output)) continue;
      totalBytes += bytesOf(output);
      live += bytesOf(output);
    }
    if (live > peak.bytes) peak = { bytes: live, at: name };
    const reads = node === undefined ? [] : readsOf(node);
    const touched = new Set([...reads, ...(node?.outputs ?? [])].map(rootOf));
    for (const value of touched) if ((lastUse.get(value) ?? at) === at) live -= bytesOf(value);
  }
  return { totalBytes, peakBytes: peak.bytes, peakAt: peak.at };
}

/** The last place that reads each value; outputs of the model are kept to the end. */
function lastUses(
  top: readonly ExecutedNode[],
  outputs: readonly string[],
  rootOf: (name: string) => string,
): ReadonlyMap<string, number> {
  const uses = new Map<string, number>();
  for (const [at, { node }] of top.entries()) {
    for (const name of node === undefined ? [] : readsOf(node)) uses.set(rootOf(name), at);
  }
  for (const name of outputs) uses.set(rootOf(name), top.length);
  return uses;
}
