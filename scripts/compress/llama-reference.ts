import type { Llama, LlamaLayer } from './llama2c.ts';

export const LLAMA_EPSILON = 1e-5;
/** The longest wave of the rotation [arXiv:2104.09864]. */
export const ROTATION_BASE = 10_000;

/**
 * A Llama's logits [tokens, vocabulary], number by number, in the plainest way: what the converted model
 * is held against.
 */
export function runLlama(model: Llama, tokens: readonly number[]): Float32Array {
  const { shape, table, layers, lastNorm, head } = model;
  const { width, vocabulary } = shape;
  const rows = tokens.map((token) => table.slice(token * width, (token + 1) * width));
  for (const layer of layers) {
    const mixed = attend(
      model,
      layer,
      rows.map((row) => norm(row, layer.attentionNorm)),
    );
    for (const [at, row] of rows.entries()) {
      add(row, product(layer.output, mixed[at]!));
      add(row, feed(layer, norm(row, layer.feedNorm)));
    }
  }
  const logits = new Float32Array(tokens.length * vocabulary);
  for (const [at, row] of rows.entries()) {
    logits.set(product(head, norm(row, lastNorm)), at * vocabulary);
  }
  return logits;
}

function attend({ shape }: Llama, layer: LlamaLayer, rows: readonly Float32Array[]) {
  const { width, heads, keyHeads } = shape;
  const size = width / heads;
  const queries = rows.map((row, place) => rotate(product(layer.query, row), size, place));
  const keys = rows.map((row, place) => rotate(product(layer.key, row), size, place));
  const values = rows.map((row) => product(layer.value, row));
  return rows.map((_, place) => {
    const mixed = new Float32Array(width);
    for (let head = 0; head < heads; head += 1) {
      const shared = Math.floor((head * keyHeads) / heads) * size;
      const scores = Float64Array.from({ length: place + 1 }, (_, other) => {
        let score = 0;
        for (let at = 0; at < size; at += 1) {
          score += queries[place]![head * size + at]! * keys[other]![shared + at]!;
        }
        return score / Math.sqrt(size);
      });
      const most = Math.max(...scores);
      const shares = scores.map((score) => Math.exp(score - most));
      const sum = shares.reduce((total, share) => total + share, 0);
      for (const [other, share] of shares.entries()) {
        for (let at = 0; at < size; at += 1) {
          const index = head * size + at;
          mixed[index] = mixed[index]! + (share / sum) * values[other]![shared + at]!;
        }
      }
    }
    return mixed;
  });
}

function feed(layer: LlamaLayer, row: Float32Array): Float32Array {
  const gate = product(layer.gate, row);
  const up = product(layer.up, row);
  return product(
    layer.down,
    gate.map((value, at) => (value / (1 + Math.exp(-value))) * up[at]!),
  );
}

/** Turns each pair of neighbours of a head by an angle that grows with the place. */
function rotate(row: Float32Array, size: number, place: number): Float32Array {
  const turned = row.slice();
  for (let at = 0; at < row.length; at += 2) {
    const angle = place / ROTATION_BASE ** ((at % size) / size);
    const [x, y] = [row[at]!, row[at + 1]!];
    turned[at] = x * Math.cos(angle) - y * Math.sin(angle);
    turned[at + 1] = x * Math.sin(angle) + y * Math.cos(angle);
  }
  return turned;
}

function norm(row: Float32Array, weights: Float32Array): Float32Array {
  const squares = row.reduce((sum, value) => sum + value * value, 0);
  const size = Math.sqrt(squares / row.length + LLAMA_EPSILON);
  return row.map((value, at) => (value / size) * weights[at]!);
}

/** A matrix [outputs, inputs] times a row. */
function product(matrix: Float32Array, row: Float32Array): Float32Array {
  return Float32Array.from({ length: matrix.length / row.length }, (_, output) => {
    let sum = 0;
    for (let at = 0; at < row.length; at += 1) sum += matrix[output * row.length + at]! * row[at]!;
    return sum;
  });
}

function add(row: Float32Array, other: Float32Array): void {
  for (let at = 0; at < row.length; at += 1) row[at] = row[at]! + other[at]!;
}
