import type { Model } from '../../src/onnx/proto.ts';
import { causalBias } from './causal-bias.ts';
import { createGraphMaker, type GraphMaker } from './graph-maker.ts';
import { LLAMA_EPSILON, ROTATION_BASE } from './llama-reference.ts';
import type { Llama, LlamaLayer, LlamaShape } from './llama2c.ts';

/**
 * A Llama as an ONNX model with a key/value cache: inputs input_ids and position_ids [batch, sequence]
 * and past.<layer>.key/value [batch, key heads, past, size]; outputs logits and present.<layer>....
 * Rows of queries and keys are put in another order, the same for both, so that the rotation acts on
 * halves instead of neighbours: no product of the two changes.
 */
export function convertLlama(model: Llama): Model {
  const { shape, table, layers, lastNorm, head } = model;
  const { width, vocabulary, keyHeads, heads } = shape;
  const graph = createGraphMaker();
  const ids = graph.input('input_ids', 'int64', ['batch', 'sequence']);
  const places = graph.input('position_ids', 'int64', ['batch', 'sequence']);
  const words = graph.floats('embed_tokens.weight', [vocabulary, width], table);
  let hidden = graph.node('Gather', [words, ids]);
  const bias = causalBias(graph, { ids, places, between: 2 });
  const rotate = createRotation(graph, shape, places);
  for (const [at, layer] of layers.entries()) {
    const parts = { graph, shape, layer, prefix: `layers.${at}` };
    const normed = norm(graph, `${parts.prefix}.attention_norm`, hidden, layer.attentionNorm);
    const mixed = attention(parts, { normed, bias, at, rotate });
    hidden = graph.node('Add', [hidden, mixed]);
    hidden = graph.node('Add', [hidden, feedForward(parts, hidden)]);
  }
  const last = norm(graph, 'norm', hidden, lastNorm);
  const own = head !== table;
  const rows = own ? graph.floats('lm_head.weight', [vocabulary, width], head) : words;
  const turned = graph.node('Transpose', [rows], { attributes: { perm: [1n, 0n] } });
  graph.node('MatMul', [last, turned], { outputs: ['logits'] });
  graph.output('logits', 'float32', ['batch', 'sequence', vocabulary]);
  for (let at = 0; at < layers.length; at += 1) {
    for (const part of ['key', 'value']) {
      const sizes = ['batch', keyHeads, 'total', width / heads] as const;
      graph.output(`present.${at}.${part}`, 'float32', sizes);
    }
  }
  return graph.finish('llama');
}

interface Parts {
  readonly graph: GraphMaker;
  readonly shape: LlamaShape;
  readonly layer: LlamaLayer;
  readonly prefix: string;
}

interface Attending {
  readonly normed: string;
  readonly bias: string;
  readonly at: number;
  readonly rotate: (value: string) => string;
}

function attention(parts: Parts, { normed, bias, at, rotate }: Attending): string {
  const { graph, shape, layer, prefix } = parts;
  const { width, heads, keyHeads } = shape;
  const size = width / heads;
  const split = (name: string, count: number) =>
    graph.node('Transpose', [graph.node('Reshape', [name, graph.integers(0, 0, count, size)])], {
      attributes: { perm: [0n, 2n, 1n, 3n] },
    });
  const project = (part: string, weights: Float32Array) =>
    linear(graph, `${prefix}.self_attn.${part}`, normed, { weights, inputs: width });
  const cached = (part: string, value: string) => {
    const sizes = ['batch', keyHeads, 'past', size] as const;
    const past = graph.input(`past.${at}.${part}`, 'float32', sizes);
    const outputs = [`present.${at}.${part}`];
    const whole = graph.node('Concat', [past, value], { outputs, attributes: { axis: 2n } });
    return graph.node('Unsqueeze', [whole, graph.integers(2)]); // [batch, key head, 1, total, size]
  };
  const query = rotate(split(project('q_proj', inHalves(layer.query, width, size)), heads));
  const key = rotate(split(project('k_proj', inHalves(layer.key, width, size)), keyHeads));
  const keys = cached('key', key);
  const values = cached('value', split(project('v_proj', layer.value), keyHeads));
  const grouped = graph.integers(0, keyHeads, heads / keyHeads, -1, size);
  const turned = graph.node('Transpose', [keys], { attributes: { perm: [0n, 1n, 2n, 4n, 3n] } });
  const scores = graph.node('MatMul', [graph.node('Reshape', [query, grouped]), turned]);
  const scaled = graph.node('Div', [scores, graph.float(Math.sqrt(size))]);
  const masked = graph.node('Add', [scaled, bias]);
  const shares = graph.node('Softmax', [masked], { attributes: { axis: -1n } });
  const mixed = graph.node('MatMul', [shares, values]); // [batch, key head, group, sequence, size]
  const joined = graph.node('Reshape', [mixed, graph.integers(0, heads, -1, size)]);
  const order = { attributes: { perm: [0n, 2n, 1n, 3n] } };
  const rows = graph.node('Reshape', [
    graph.node('Transpose', [joined], order),
    graph.integers(0, 0, width),
  ]);
  const output = { weights: layer.output, inputs: width };
  return linear(graph, `${prefix}.self_attn.o_proj`, rows, output);
}

function feedForward({ graph, shape, layer, prefix }: Parts, hidden: string): string {
  const { width, inner } = shape;
  const normed = norm(graph, `${prefix}.feed_norm`, hidden, layer.feedNorm);
  const wide = (part: string, weights: Float32Array) =>
    linear(graph, `${prefix}.mlp.${part}`, normed, { weights, inputs: width });
  const gate = wide('gate_proj', layer.gate);
  const open = graph.node('Mul', [gate, graph.node('Sigmoid', [gate])]);
  const gated = graph.node('Mul', [open, wide('up_proj', layer.up)]);
  const down = { weights: layer.down, inputs: inner };
  return linear(graph, `${prefix}.mlp.down_proj`, gated, down);
}

/** Turns values [batch, head, sequence, size] by their places, first halves with second halves. */
function createRotation(
  graph: GraphMaker,
  { positions, width, heads }: LlamaShape,
  places: string,
) {
  const half = width / heads / 2;
  const angleAt = (at: number) => Math.floor(at / half) / ROTATION_BASE ** ((at % half) / half);
  const waves = (name: string, wave: (angle: number) => number) => {
    const data = Float32Array.from({ length: positions * half }, (_, at) => wave(angleAt(at)));
    const rows = graph.node('Gather', [graph.floats(name, [positions, half], data), places]);
    return graph.node('Unsqueeze', [rows, graph.integers(1)]); // [batch, 1, sequence, half]
  };
  const cosine = waves('rotation.cosine', Math.cos);
  const sine = waves('rotation.sine', Math.sin);
  const times = (a: string, b: string) => graph.node('Mul', [a, b]);
  return (value: string): string => {
    const [x, y] = [`${value}.x`, `${value}.y`] as const;
    graph.node('Split', [value, graph.integers(half, half)], {
      outputs: [x, y],
      attributes: { axis: -1n },
    });
    const first = graph.node('Sub', [times(x, cosine), times(y, sine)]);
    const second = graph.node('Add', [times(x, sine), times(y, cosine)]);
    return graph.node('Concat', [first, second], { attributes: { axis: -1n } });
  };
}

function norm(graph: GraphMaker, name: string, input: string, weights: Float32Array): string {
  const squares = graph.node('Mul', [input, input]);
  const mean = graph.node('ReduceMean', [squares], { attributes: { axes: [-1n] } });
  const size = graph.node('Sqrt', [graph.node('Add', [mean, graph.float(LLAMA_EPSILON)])]);
  const scale = graph.floats(`${name}.weight`, [weights.length], weights);
  return graph.node('Mul', [graph.node('Div', [input, size]), scale]);
}

interface Matrix {
  /** [outputs, inputs]. */
  readonly weights: Float32Array;
  readonly inputs: number;
}

function linear(graph: GraphMaker, name: string, input: string, matrix: Matrix): string {
  const { weights, inputs } = matrix;
  const outputs = weights.length / inputs;
  const turned = Float32Array.from(
    weights,
    (_, at) => weights[(at % outputs) * inputs + Math.floor(at / outputs)]!,
  );
  return graph.node('MatMul', [input, graph.floats(`${name}.weight`, [inputs, outputs], turned)]);
}

/** The rows of each head, the even ones first. */
function inHalves(weights: Float32Array, inputs: number, size: number): Float32Array {
  const moved = new Float32Array(weights.length);
  for (let row = 0; row < weights.length / inputs; row += 1) {
    const [head, at] = [Math.floor(row / size), row % size];
    const from = head * size + (at < size / 2 ? 2 * at : 2 * (at - size / 2) + 1);
    moved.set(weights.subarray(from * inputs, (from + 1) * inputs), row * inputs);
  }
  return moved;
}
