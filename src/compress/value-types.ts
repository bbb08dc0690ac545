import { elementTypeOf } from '../onnx/element-type.ts';
import { attributeOf } from '../onnx/graph.ts';
import type { GraphEditor } from '../onnx/graph-editor.ts';
import type { Node } from '../onnx/proto.ts';
import { domainOf } from '../onnx/summary.ts';

/** What is known of the element types of a graph's values, by ONNX's names. */
export interface ValueTypes {
  of(name: string): string | undefined;
}

/** A chain of nodes without any stated type is followed so far. */
const DEPTH_MAX = 400;

const INT64 = new Set(['Shape', 'Size', 'ArgMax', 'ArgMin', 'NonZero']);
const BOOL = new Set(
  'Equal Less Greater LessOrEqual GreaterOrEqual And Or Xor Not IsNaN IsInf'.split(' '),
);
/** Their outputs have types of their own, each. */
const UNKNOWN = new Set(
  `If Loop Scan QuantizeLinear DynamicQuantizeLinear MatMulInteger ConvInteger QLinearConv
  QLinearMatMul SequenceAt OneHot Range NonMaxSuppression RandomNormal RandomUniform EyeLike
  Multinomial`.split(/\s+/),
);

/** Of onnxruntime's own operators: those whose first output is of the type of their first input. */
const LIKE_FIRST = new Set(
  `Gelu FastGelu BiasGelu QuickGelu SkipLayerNormalization MatMulNBits FusedMatMul
  MultiHeadAttention`.split(/\s+/),
);

/** Infers element types forward from inputs, constants and value infos. */
export function createValueTypes(editor: GraphEditor): ValueTypes {
  const known = new Map<string, string | undefined>();
  let depth = 0;

  function of(name: string): string | undefined {
    if (known.has(name)) return known.get(name);
    known.set(name, undefined);
    if (depth >= DEPTH_MAX) return undefined;
    depth += 1;
    const type = infer(name);
    depth -= 1;
    known.set(name, type);
    return type;
  }

  function infer(name: string): string | undefined {
    const constant = editor.constantOf(name);
    if (constant !== undefined) return elementTypeOf(constant.dataType)?.name;
    const stated = editor.infoOf(name)?.type?.tensor?.elementType;
    if (stated !== undefined && stated !== 0) return elementTypeOf(stated)?.name;
    const node = editor.makerOf(name);
    return node === undefined ? undefined : outputType(node, name);
  }

  function outputType(node: Node, name: string): string | undefined {
    const operator = node.operator ?? '';
    const [first = '', second = ''] = node.inputs;
    if (UNKNOWN.has(operator)) return undefined;
    if (domainOf(node.domain) !== '' && !LIKE_FIRST.has(operator)) return undefined;
    if (INT64.has(operator)) return 'int64';
    if (BOOL.has(operator)) return 'bool';
    if (operator === 'Cast') return elementTypeOf(Number(attributeOf(node, 'to')?.int ?? 0n))?.name;
    if (operator === 'ConstantOfShape') {
      const value = attributeOf(node, 'value')?.tensor;
      return value === undefined ? 'float32' : elementTypeOf(value.dataType)?.name;
    }
    if (operator === 'Where' || operator === 'CastLike' || operator === 'DequantizeLinear') {
      return of(second);
    }
    // Where a node has further outputs they are indices, masks and statistics; Split's are like the first.
    if (node.outputs[0] !== name && operator !== 'Split') return undefined;
    return of(first);
  }

  return { of };
}
