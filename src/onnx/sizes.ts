import { allNodes, attributeOf, elementsOf, type OnnxLimits } from './graph.ts';
import type { ModelProblem } from './inspect.ts';
import { placeOf } from './names.ts';
import type { Model, Node, TensorRecord } from './proto.ts';
import { countVarints, int64Of, splitVarints } from './wire.ts';

/** Operators whose result is as large as a constant says: which input holds its sizes. */
const SIZES_INPUT: ReadonlyMap<string, number> = new Map([
  ['ConstantOfShape', 0],
  ['Expand', 1],
  ['Tile', 1],
]);
const SIZES_ATTRIBUTE: ReadonlySet<string> = new Set(['RandomNormal', 'RandomUniform']);
/** Their results have elements of at least one byte. */
const ELEMENT_BYTES_MIN = 1;
/** No tensor has more dimensions; a longer constant is no shape. */
const RANK_MAX = 64;

/** Nodes that would make a tensor over the limit out of nothing: a few bytes that fill the memory. */
export function checkSizes(model: Model, limits: OnnxLimits): ModelProblem[] {
  const constants = namedConstants(model);
  const problems: ModelProblem[] = [];
  for (const node of allNodes(model)) {
    let elements = ELEMENT_BYTES_MIN;
    for (const size of sizesOf(node, constants)) elements *= Math.max(1, Number(size));
    if (elements <= limits.tensorBytesMax) continue;
    const message = `it makes a tensor of ${elements} elements, over ${limits.tensorBytesMax}`;
    problems.push({ where: placeOf(node), message });
  }
  return problems;
}

function sizesOf(node: Node, constants: ReadonlyMap<string, TensorRecord>): readonly bigint[] {
  const operator = node.operator ?? '';
  if (SIZES_ATTRIBUTE.has(operator)) return attributeOf(node, 'shape')?.ints ?? [];
  const input = SIZES_INPUT.get(operator);
  const sizes = input === undefined ? undefined : constants.get(node.inputs[input] ?? '');
  return sizes === undefined ? [] : int64Values(sizes);
}

function namedConstants(model: Model): ReadonlyMap<string, TensorRecord> {
  const found = new Map<string, TensorRecord>();
  for (const tensor of model.graph?.initializers ?? []) found.set(tensor.name ?? '', tensor);
  for (const node of allNodes(model)) {
    const value = node.operator === 'Constant' ? attributeOf(node, 'value')?.tensor : undefined;
    if (value !== undefined) found.set(node.outputs[0] ?? '', value);
  }
  return found;
}

function int64Values(tensor: TensorRecord): bigint[] {
  const count = elementsOf(tensor) ?? 0;
  if (count > RANK_MAX) return [];
  const raw = tensor.rawData;
  if (raw === undefined) {
    const packed = tensor.int64Data ?? new Uint8Array();
    // A constant of few elements may still hold millions of numbers; another check refuses it.
    return countVarints(packed) === count ? splitVarints(packed).map(int64Of) : [];
  }
  if (raw.length !== count * 8) return [];
  const view = new DataView(raw.buffer, raw.byteOffset, raw.length);
  return Array.from({ length: count }, (_, at) => view.getBigInt64(at * 8, true));
}
