import { randomOf } from '../../src/compress/sample-inputs.ts';
import type { Model } from '../../src/onnx/proto.ts';
import { causalBias } from './causal-bias.ts';
import { createGraphMaker, type GraphMaker } from './graph-maker.ts';

/** The sizes of a decoder of GPT-2's kind. */
export interface LanguageShape {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly vocabulary: number;
  readonly positions: number;
}

/** DistilGPT-2's [arXiv:1910.01108; the shape of its published configuration]. */
export const DISTILGPT2: LanguageShape = {
  layers: 6,
  width: 768,
  heads: 12,
  vocabulary: 50_257,
  positions: 1024,
};

export interface LanguageOptions {
  readonly shape: LanguageShape;
  /** Tied: the head reads the embedding's table turned round. Otherwise it has a copy, as exporters write. */
  readonly head: 'tied' | 'untied';
  readonly seed?: number;
}

/** Of trained GPT-2 models: spread of embeddings, positions and products. */
const EMBEDDING_SPREAD = 0.14;
const POSITION_SPREAD = 0.1;
const WEIGHT_GAIN = 1;
/** Channels differ in size (spread of a logarithm), and few numbers are far out. */
const CHANNEL_SPREAD = 0.3;
const OUTLIER_SHARE = 1 / 1024;
const OUTLIER_FACTOR = 4;
const EPSILON = 1e-5;

/**
 * A decoder of GPT-2's kind with a key/value cache: LayerNorm before attention and before the
 * feed-forward layer, GELU by tanh, written as exporters write it, without fused operators. Inputs are
 * input_ids and position_ids [batch, sequence] and past.<layer>.key/value [batch, heads, past, size];
 * outputs logits [batch, sequence, vocabulary] and present.<layer>.key/value. The weights are made,
 * the same for the same seed: their spreads are those of a trained model, what they say is nothing.
 */
export function createLanguageModel({ shape, head, seed = 1 }: LanguageOptions): Model {
  const graph = createGraphMaker();
  const layers = createLayers(graph, seed);
  const { width, vocabulary, positions } = shape;
  const ids = graph.input('input_ids', 'int64', ['batch', 'sequence']);
  const places = graph.input('position_ids', 'int64', ['batch', 'sequence']);
  const table = layers.noise('wte.weight', [vocabulary, width], EMBEDDING_SPREAD);
  const where = layers.noise('wpe.weight', [positions, width], POSITION_SPREAD);
  const word = graph.node('Gather', [table.name, ids]);
  let hidden = graph.node('Add', [word, graph.node('Gather', [where.name, places])]);
  const bias = causalBias(graph, { ids, places, between: 1 });
  for (let layer = 0; layer < shape.layers; layer += 1) {
    const parts = { graph, layers, shape, prefix: `h.${layer}` };
    hidden = graph.node('Add', [hidden, attention(parts, { hidden, bias, layer })]);
    hidden = graph.node('Add', [hidden, feedForward(parts, hidden)]);
  }
  const last = layers.norm('ln_f', hidden, width);
  const turned =
    head === 'tied'
      ? graph.node('Transpose', [table.name], { attributes: { perm: [1n, 0n] } })
      : graph.floats('lm_head.weight', [width, vocabulary], turn(table.data, vocabulary, width));
  graph.node('MatMul', [last, turned], { outputs: ['logits'] });
  graph.output('logits', 'float32', ['batch', 'sequence', vocabulary]);
  for (let layer = 0; layer < shape.layers; layer += 1) {
    for (const part of ['key', 'value']) {
      const sizes = ['batch', shape.heads, 'total', width / shape.heads] as const;
      graph.output(`present.${layer}.${part}`, 'float32', sizes);
    }
  }
  return graph.finish('language');
}

interface Parts {
  readonly graph: GraphMaker;
  readonly layers: ReturnType<typeof createLayers>;
  readonly shape: LanguageShape;
  readonly prefix: string;
}

interface Attending {
  readonly hidden: string;
  readonly bias: string;
  readonly layer: number;
}

function attention({ graph, layers, shape, prefix }: Parts, attending: Attending): string {
  const { width, heads } = shape;
  const size = width / heads;
  const { hidden, bias, layer } = attending;
  const normed = layers.norm(`${prefix}.ln_1`, hidden, width);
  const all = layers.linear(`${prefix}.attn.c_attn`, normed, [width, 3 * width]);
  const [query = '', key = '', value = ''] = ['query', 'key', 'value'].map(
    (part) => `${prefix}.${part}`,
  );
  graph.node('Split', [all, graph.integers(width, width, width)], {
    outputs: [query, key, value],
    attributes: { axis: -1n },
  });
  const split = (name: string) =>
    graph.node('Transpose', [graph.node('Reshape', [name, graph.integers(0, 0, heads, size)])], {
      attributes: { perm: [0n, 2n, 1n, 3n] },
    });
  const cached = (part: 'key' | 'value', name: string) => {
    const sizes = ['batch', heads, 'past', size] as const;
    const past = graph.input(`past.${layer}.${part}`, 'float32', sizes);
    const outputs = [`present.${layer}.${part}`];
    return graph.node('Concat', [past, split(name)], { outputs, attributes: { axis: 2n } });
  };
  const keys = cached('key', key);
  const values = cached('value', value);
  const turned = graph.node('Transpose', [keys], { attributes: { perm: [0n, 1n, 3n, 2n] } });
  const product = graph.node('MatMul', [split(query), turned]);
  const scores = graph.node('Div', [product, graph.float(Math.sqrt(size))]);
  const shares = graph.node('Softmax', [graph.node('Add', [scores, bias])], {
    attributes: { axis: -1n },
  });
  const mixed = graph.node('Transpose', [graph.node('MatMul', [shares, values])], {
    attributes: { perm: [0n, 2n, 1n, 3n] },
  });
  const joined = graph.node('Reshape', [mixed, graph.integers(0, 0, width)]);
  return layers.linear(`${prefix}.attn.c_proj`, joined, [width, width]);
}

function feedForward({ graph, layers, shape, prefix }: Parts, hidden: string): string {
  const { width } = shape;
  const normed = layers.norm(`${prefix}.ln_2`, hidden, width);
  const wide = layers.linear(`${prefix}.mlp.c_fc`, normed, [width, 4 * width]);
  // GELU by tanh [arXiv:1606.08415], as GPT-2 has it.
  const cube = graph.node('Pow', [wide, graph.float(3)]);
  const bent = graph.node('Add', [wide, graph.node('Mul', [cube, graph.float(0.044715)])]);
  const scaled = graph.node('Mul', [bent, graph.float(Math.sqrt(2 / Math.PI))]);
  const open = graph.node('Add', [graph.node('Tanh', [scaled]), graph.float(1)]);
  const half = graph.node('Mul', [wide, graph.float(0.5)]);
  const active = graph.node('Mul', [half, open]);
  return layers.linear(`${prefix}.mlp.c_proj`, active, [4 * width, width]);
}

function createLayers(graph: GraphMaker, seed: number) {
  const normal = createNormal(seed);
  const noise = (name: string, shape: readonly [number, number], spread: number) => {
    const [rows, columns] = shape;
    const channels = Float32Array.from({ length: columns }, () =>
      Math.exp(normal() * CHANNEL_SPREAD),
    );
    const data = new Float32Array(rows * columns);
    const outlier = randomOf(seed + data.length);
    for (let at = 0; at < data.length; at += 1) {
      const far = outlier() < OUTLIER_SHARE ? OUTLIER_FACTOR : 1;
      data[at] = normal() * spread * far * channels[at % columns]!;
    }
    return { name: graph.floats(name, shape, data), data };
  };
  const vector = (name: string, length: number, middle: number, spread: number) =>
    graph.floats(
      name,
      [length],
      Float32Array.from({ length }, () => middle + normal() * spread),
    );
  return {
    noise,
    linear(name: string, input: string, shape: readonly [number, number]): string {
      const [inputs, outputs] = shape;
      const weight = noise(`${name}.weight`, shape, WEIGHT_GAIN / Math.sqrt(inputs));
      const bias = vector(`${name}.bias`, outputs, 0, 0.05);
      return graph.node('Add', [graph.node('MatMul', [input, weight.name]), bias]);
    },
    /** LayerNorm in its parts, as exporters wrote it before operator set 17. */
    norm(name: string, input: string, width: number): string {
      const axes = { attributes: { axes: [-1n] } } as const;
      const off = graph.node('Sub', [input, graph.node('ReduceMean', [input], axes)]);
      const squares = graph.node('Pow', [off, graph.float(2)]);
      const variance = graph.node('ReduceMean', [squares], axes);
      const size = graph.node('Sqrt', [graph.node('Add', [variance, graph.float(EPSILON)])]);
      const plain = graph.node('Div', [off, size]);
      const scaled = graph.node('Mul', [plain, vector(`${name}.weight`, width, 1, 0.2)]);
      return graph.node('Add', [scaled, vector(`${name}.bias`, width, 0, 0.05)]);
    },
  };
}

/** Numbers of the normal distribution (Box-Muller), the same for the same seed. */
function createNormal(seed: number): () => number {
  const random = randomOf(seed);
  let spare: number | undefined;
  return () => {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - random()));
    const angle = 2 * Math.PI * random();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
}

function turn(data: Float32Array, rows: number, columns: number): Float32Array {
  const turned = new Float32Array(data.length);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      turned[column * rows + row] = data[row * columns + column]!;
    }
  }
  return turned;
}
