import { createGraphWriter, type GraphWriter } from './onnx-file.ts';

/** A benchmark's model: its file, and what the manifest and the load generator need of it. */
export interface BenchModel {
  readonly name: string;
  readonly file: Uint8Array;
  readonly parameters: number;
  readonly input: { readonly name: string; readonly shape: readonly number[] };
  readonly output: { readonly name: string; readonly shape: readonly number[] };
}

/** The keyword model's input: 49 frames of 10 coefficients, as MLPerf Tiny has it. */
export const KEYWORD_FLOATS = 490;
/** The image model's input: three planes of 224 x 224. */
export const IMAGE_SHAPE = [3, 224, 224] as const;
const KEYWORD_CLASSES = 12;
const KEYWORD_CHANNELS = 64;
const IMAGE_CLASSES = 1000;

/** MobileNetV2's blocks [arXiv:1801.04381, table 2]: expansion, channels, repeats, first stride. */
const MOBILE_BLOCKS = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const;

/** The DS-CNN of keyword spotting [arXiv:1711.07128, small], batch norm folded: 22.6 k parameters. */
export function keywordModel(seed = 1): BenchModel {
  const graph = createGraphWriter('keyword');
  const layers = createLayers(graph, seed);
  const input = { name: 'mfcc', shape: [KEYWORD_FLOATS] };
  const output = { name: 'logits', shape: [KEYWORD_CLASSES] };
  const image = graph.node('Reshape', [input.name, graph.integers([-1, 1, 49, 10])]);
  let value = layers.convolve(image, { from: 1, to: 64, kernel: [10, 4], stride: 2, pads: [4, 1] });
  value = graph.node('Relu', [value]);
  for (let block = 0; block < 4; block += 1) {
    const depthwise = { from: KEYWORD_CHANNELS, to: KEYWORD_CHANNELS, groups: KEYWORD_CHANNELS };
    value = layers.convolve(value, { ...depthwise, kernel: [3, 3], pads: [1, 1] });
    value = graph.node('Relu', [value]);
    const pointwise = { from: KEYWORD_CHANNELS, to: KEYWORD_CHANNELS };
    value = graph.node('Relu', [layers.convolve(value, pointwise)]);
  }
  const result = layers.classify(value, KEYWORD_CHANNELS, KEYWORD_CLASSES);
  const file = graph.finish(input, output, result);
  return { name: 'bench-keyword', file, parameters: graph.parameters(), input, output };
}

/** MobileNetV2 1.0 at 224 x 224, batch norm folded, random weights: 3.5 M parameters. */
export function imageModel(): BenchModel {
  const graph = createGraphWriter('image');
  const layers = createLayers(graph, 2);
  const input = { name: 'image', shape: IMAGE_SHAPE };
  const output = { name: 'logits', shape: [IMAGE_CLASSES] };
  const limits = [graph.floats([], Float32Array.of(0)), graph.floats([], Float32Array.of(6))];
  const clip = (name: string) => graph.node('Clip', [name, ...limits]);
  const around = { kernel: [3, 3], pads: [1, 1] } as const;
  let value = clip(layers.convolve(input.name, { from: 3, to: 32, stride: 2, ...around }));
  let from = 32;
  for (const [expansion, to, repeats, first] of MOBILE_BLOCKS) {
    for (let repeat = 0; repeat < repeats; repeat += 1) {
      const stride = repeat === 0 ? first : 1;
      const wide = from * expansion;
      let inner = value;
      if (expansion > 1) inner = clip(layers.convolve(inner, { from, to: wide }));
      const depthwise = { from: wide, to: wide, groups: wide, stride, ...around };
      inner = clip(layers.convolve(inner, depthwise));
      inner = layers.convolve(inner, { from: wide, to });
      value = stride === 1 && from === to ? graph.node('Add', [inner, value]) : inner;
      from = to;
    }
  }
  value = clip(layers.convolve(value, { from, to: 1280 }));
  const result = layers.classify(value, 1280, IMAGE_CLASSES);
  const file = graph.finish(input, output, result);
  return { name: 'bench-image', file, parameters: graph.parameters(), input, output };
}

interface Convolution {
  readonly from: number;
  readonly to: number;
  readonly kernel?: readonly [number, number];
  readonly stride?: number;
  /** Rows above and below, columns left and right. */
  readonly pads?: readonly [number, number];
  readonly groups?: number;
}

function createLayers(graph: GraphWriter, seed: number) {
  const next = createNoise(seed);
  /** Uniform with the variance that keeps the signal's size through a rectifier (He). */
  const weights = (count: number, fanIn: number): Float32Array => {
    const bound = Math.sqrt(6 / fanIn);
    return Float32Array.from({ length: count }, () => (next() * 2 - 1) * bound);
  };
  return {
    convolve(input: string, convolution: Convolution): string {
      const { from, to, kernel = [1, 1], stride = 1, pads = [0, 0], groups = 1 } = convolution;
      const shape = [to, from / groups, ...kernel];
      const fanIn = (from / groups) * kernel[0] * kernel[1];
      const weight = graph.floats(shape, weights(to * fanIn, fanIn));
      const bias = graph.floats([to], weights(to, 600));
      return graph.node('Conv', [input, weight, bias], {
        kernel_shape: kernel,
        strides: [stride, stride],
        pads: [...pads, ...pads],
        group: groups,
      });
    },
    classify(input: string, from: number, to: number): string {
      const pooled = graph.node('Flatten', [graph.node('GlobalAveragePool', [input])], { axis: 1 });
      const weight = graph.floats([to, from], weights(to * from, from));
      const bias = graph.floats([to], weights(to, 600));
      return graph.node('Gemm', [pooled, weight, bias], { transB: 1 });
    },
  };
}

/** Deterministic numbers in [0, 1): mulberry32. */
export function createNoise(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
