import { createNode } from '../onnx/build.ts';
import { recordOfBytes } from '../onnx/constant.ts';
import { CONTRIBUTED, editGraphs, intOf, opsetOf } from '../onnx/edit-model.ts';
import { createGraphEditor, type GraphEditor } from '../onnx/graph-editor.ts';
import { placeOf } from '../onnx/names.ts';
import { namesOf, renameReads } from '../onnx/names-within.ts';
import type { Model, Node } from '../onnx/proto.ts';
import { domainOf } from '../onnx/summary.ts';
import type { Range } from './histogram.ts';
import { tensorNamed } from './match.ts';
import { isPlainGemm } from './passes/fold-batch-norm.ts';
import { createValueTypes } from './value-types.ts';

/** From this version ONNX's own QuantizeLinear takes a factor for each channel. */
const OPSET_PER_CHANNEL = 13;

/** Have weights. */
const WEIGHTED = new Set(['Conv', 'MatMul', 'Gemm']);
/** The runtime has them for 8 bits: between quantised layers they spare a way back to float. */
const PASSING = new Set(
  `Add Mul MaxPool AveragePool GlobalAveragePool Concat Reshape Flatten Transpose Squeeze
  Unsqueeze`.split(/\s+/),
);
/** Give the numbers they get, some of them, in another order. */
const MOVING = new Set('MaxPool Reshape Flatten Transpose Squeeze Unsqueeze'.split(' '));
/** Cut a result where the levels end anyway: quantised together with the layer before. */
const CLIPPING = new Set(['Relu', 'Clip']);

/**
 * Nodes of the outer graph that can be quantised: layers with constant weights, and what is between.
 * Around nodes that are excluded by name nothing is between any more.
 */
export function quantisableNodes(model: Model, exclude: readonly string[] = []): readonly Node[] {
  const editor = viewOf(model);
  if (editor === undefined) return [];
  const types = createValueTypes(editor);
  const isFloat = (name: string) => types.of(name) === 'float32';
  const nodes = [...editor.nodes()].filter(
    (node) => domainOf(node.domain) === '' && !exclude.includes(placeOf(node)),
  );
  const layers = nodes.filter((node) => isLayer(editor, node) && isFloat(node.inputs[0] ?? ''));
  const chosen = new Set(layers);
  // What is fed only by what is quantised already, from the inputs on.
  for (const node of nodes) {
    if (!PASSING.has(node.operator ?? '')) continue;
    const real = node.inputs.filter((name) => name !== '' && isFloat(name));
    const makers = real.map((name) => through(editor, name));
    if (real.length > 0 && makers.every((maker) => maker !== undefined && chosen.has(maker))) {
      chosen.add(node);
    }
  }
  return nodes.filter((node) => chosen.has(node));
}

/** The values that such nodes read and give, whose ranges are needed. */
export function valuesOfNodes(model: Model, nodes: readonly Node[]): readonly string[] {
  const editor = viewOf(model);
  if (editor === undefined) return [];
  const names = nodes.flatMap((node) => [...dataInputs(editor, node), endOf(editor, node)]);
  return [...new Set(names)];
}

export interface InsertOptions {
  readonly ranges: ReadonlyMap<string, Range>;
  /** First outputs of the nodes to quantise. */
  readonly names: readonly string[];
  readonly weightBits: 7 | 8;
}

/** Puts a pair of quantising and restoring nodes around each node, which the runtime then fuses. */
export function insertQuantisation(model: Model, options: InsertOptions): Model {
  const domain = opsetOf(model) < OPSET_PER_CHANNEL ? CONTRIBUTED : '';
  const outer = new Set(model.graph?.nodes.flatMap(({ outputs }) => outputs));
  const names = options.names.filter((name) => outer.has(name));
  return editGraphs(model, (editor) => {
    const pairs = createPairs(editor, { ...options, domain });
    const ends: string[] = [];
    for (const name of names) {
      const node = editor.makerOf(name);
      // Subgraphs come here as well; the nodes are all of the outer graph.
      if (node === undefined) continue;
      ends.push(endOf(editor, node));
      pairs.around(node);
    }
    for (const end of ends) pairs.restore(end);
    editor.sweep();
  });
}

function viewOf(model: Model): GraphEditor | undefined {
  if (model.graph === undefined) return undefined;
  return createGraphEditor(model.graph, { constantOf: () => undefined, taken: namesOf(model) });
}

function isLayer(editor: GraphEditor, node: Node): boolean {
  if (!WEIGHTED.has(node.operator ?? '')) return false;
  const [x = '', w = '', b = ''] = node.inputs;
  const weights = tensorNamed(editor, w);
  if (!(weights?.data instanceof Float32Array) || editor.constantOf(x) !== undefined) return false;
  if (b !== '' && !(tensorNamed(editor, b)?.data instanceof Float32Array)) return false;
  if (node.operator === 'Conv') return true;
  return weights.shape.length === 2 && (node.operator === 'MatMul' || isPlainGemm(node));
}

/** The node that a value comes from, a Relu after it passed by. */
function through(editor: GraphEditor, name: string): Node | undefined {
  const maker = editor.makerOf(name);
  if (maker === undefined || !CLIPPING.has(maker.operator ?? '')) return maker;
  const before = editor.makerOf(maker.inputs[0] ?? '');
  return before !== undefined && editor.onlyReaderOf(maker.inputs[0] ?? '') === maker
    ? before
    : maker;
}

/** The values a node computes with: weights, biases and shapes are none. */
function dataInputs(editor: GraphEditor, node: Node): readonly string[] {
  const operator = node.operator ?? '';
  const many = operator === 'Concat' || operator === 'Add' || operator === 'Mul';
  const names = many ? node.inputs : node.inputs.slice(0, 1);
  return names.filter((name) => name !== '' && editor.constantOf(name) === undefined);
}

/** What a node gives, after the Relu that alone reads it. */
function endOf(editor: GraphEditor, node: Node): string {
  const output = node.outputs[0] ?? '';
  const reader = editor.onlyReaderOf(output);
  const clips = reader !== undefined && CLIPPING.has(reader.operator ?? '');
  const computes = !MOVING.has(node.operator ?? '');
  return clips && computes ? (reader.outputs[0] ?? '') : output;
}

interface Pairs {
  /** Makes a node read restored values. */
  around(node: Node): void;
  /** Makes the readers of a node's end read what quantising leaves of it. */
  restore(end: string): void;
}

function createPairs(
  editor: GraphEditor,
  { ranges, weightBits, domain }: InsertOptions & { readonly domain: string },
): Pairs {
  const restored = new Map<string, { readonly name: string; readonly scale: number }>();

  /** What moves numbers without changing them keeps their range: the runtime then passes it by. */
  function rangeOf(name: string): Range | undefined {
    const maker = editor.makerOf(name);
    const moves = maker !== undefined && MOVING.has(maker.operator ?? '');
    return (moves ? rangeOf(maker.inputs[0] ?? '') : undefined) ?? ranges.get(name);
  }

  /** The value after quantising and restoring; made once, from where it is made on. */
  function pair(name: string): { readonly name: string; readonly scale: number } | undefined {
    const known = restored.get(name);
    const range = rangeOf(name);
    if (known !== undefined || range === undefined) return known;
    const scale = (range.max - range.min) / 255 || 1;
    const zero = Math.max(0, Math.min(255, Math.round(-range.min / scale)));
    const factor = scalarOf(editor, `${name}_scale`, 'float32', Float32Array.of(scale));
    const zeroPoint = scalarOf(editor, `${name}_zero`, 'uint8', Uint8Array.of(zero));
    const levels = editor.freshName(`${name}_quantized`);
    const end = editor.freshName(`${name}_restored`);
    editor.add(
      quantiseNode('QuantizeLinear', [name, factor, zeroPoint], levels),
      quantiseNode('DequantizeLinear', [levels, factor, zeroPoint], end),
    );
    const made = { name: end, scale };
    restored.set(name, made);
    return made;
  }

  function quantiseNode(
    operator: string,
    inputs: readonly string[],
    output: string,
    axis?: number,
  ) {
    const attributes = axis === undefined ? {} : { attributes: { axis: BigInt(axis) } };
    const own = domain === '' ? {} : { domain };
    return createNode({ operator, inputs, outputs: [output], name: output, ...own, ...attributes });
  }

  function weightsOf(node: Node): { readonly name: string; readonly scales: Float32Array } {
    const name = node.inputs[1] ?? '';
    const tensor = tensorNamed(editor, name)!;
    const data = tensor.data as Float32Array;
    const first = node.operator === 'Conv' || intOf(node, 'transB', 0) === 1;
    const channels = tensor.shape[first ? 0 : 1] ?? 1;
    const inner = data.length / (tensor.shape[0] ?? 1);
    const channelOf = (at: number) => (first ? Math.floor(at / inner) : at % channels);
    const top = 2 ** (weightBits - 1) - 1;
    const scales = new Float32Array(channels);
    for (const [at, value] of data.entries()) {
      const channel = channelOf(at);
      scales[channel] = Math.max(scales[channel]!, Math.abs(value) / top);
    }
    for (const [at, scale] of scales.entries()) if (scale < 1e-30) scales[at] = 1;
    const levels = Int8Array.from(data, (value, at) => Math.round(value / scales[channelOf(at)]!));
    const stored = [
      store(`${name}_int8`, { type: 'int8', shape: tensor.shape, data: levels }),
      store(`${name}_scales`, { type: 'float32', shape: [channels], data: scales }),
      store(`${name}_zeros`, { type: 'int8', shape: [channels], data: new Int8Array(channels) }),
    ];
    const output = editor.freshName(`${name}_restored`);
    editor.add(quantiseNode('DequantizeLinear', stored, output, first ? 0 : 1));
    return { name: output, scales };
  }

  /** In 32 bits, in steps of what the products of input and weights are steps of. */
  function biasOf(name: string, scales: Float32Array, inputScale: number): string {
    const data = tensorNamed(editor, name)!.data as Float32Array;
    const steps = scales.map((scale) => scale * inputScale);
    const limit = 2_147_483_647;
    const levels = Int32Array.from(data, (value, at) =>
      Math.max(-limit, Math.min(limit, Math.round(value / steps[at]!))),
    );
    const shape = [data.length];
    const stored = [
      store(`${name}_int32`, { type: 'int32', shape, data: levels }),
      store(`${name}_steps`, { type: 'float32', shape, data: steps }),
      store(`${name}_zeros`, { type: 'int32', shape, data: new Int32Array(data.length) }),
    ];
    const output = editor.freshName(`${name}_restored`);
    editor.add(quantiseNode('DequantizeLinear', stored, output, 0));
    return output;
  }

  function store(
    wanted: string,
    { type, shape, data }: { type: string; shape: readonly number[]; data: ArrayBufferView },
  ): string {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return editor.addConstant(wanted, recordOfBytes('', { type, shape, bytes }));
  }

  return {
    around(node) {
      const data = new Set(dataInputs(editor, node));
      const inputs = node.inputs.map((name) =>
        data.has(name) ? (pair(name)?.name ?? name) : name,
      );
      if (WEIGHTED.has(node.operator ?? '')) {
        const x = pair(node.inputs[0] ?? '');
        const weights = weightsOf(node);
        inputs[1] = weights.name;
        const bias = node.inputs[2] ?? '';
        if (bias !== '' && x !== undefined) inputs[2] = biasOf(bias, weights.scales, x.scale);
      }
      editor.replace(node, { ...node, inputs });
    },
    restore(end) {
      if (editor.isOutput(end)) return;
      const readers = editor.readersOf(end);
      const made = pair(end);
      if (made === undefined) return;
      for (const reader of readers) {
        if (reader.operator !== 'QuantizeLinear') {
          editor.replace(reader, renameReads(reader, end, made.name));
        }
      }
    },
  };
}

function scalarOf(
  editor: GraphEditor,
  wanted: string,
  type: string,
  data: Float32Array | Uint8Array,
): string {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return editor.addConstant(wanted, recordOfBytes('', { type, shape: [], bytes }));
}
