import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { compareLogits } from '../../../scripts/bench/compress/compare-logits.ts';
import { formatSpread, ratiosOf, takeTurns } from '../../../scripts/bench/compress/turns.ts';
import { convertLlama } from '../../../scripts/compress/convert-llama2c.ts';
import { openDecoder } from '../../../scripts/compress/decoder.ts';
import { runLlama } from '../../../scripts/compress/llama-reference.ts';
import { parseLlama2c, parseTokens } from '../../../scripts/compress/llama2c.ts';
import { drawToken, generateText, perplexityOf } from '../../../scripts/compress/perplexity.ts';
import { randomOf } from '../../../src/compress/sample-inputs.ts';
import { encodeModel } from '../../../src/onnx/graph.ts';

const SIZES = [16, 24, 2, 4, 2, 19, 32];
const [WIDTH = 0, INNER = 0, LAYERS = 0, , , VOCABULARY = 0, POSITIONS = 0] = SIZES;
const KEYS = 8;
const CACHE = { layers: LAYERS, heads: 2, size: 4 };
const TOKENS = [1, 18, 4, 0, 7, 7, 12];

const folder = mkdtempSync(join(tmpdir(), 'ledge-llama-'));
afterAll(() => rm(folder, { recursive: true }));

/** A file of llama2.c's format with random weights; `own` adds a head that is not the table. */
function llamaFile({ own = false, seed = 1 } = {}): Uint8Array {
  const each = WIDTH * WIDTH * 2 + KEYS * WIDTH * 2 + 3 * INNER * WIDTH + 2 * WIDTH;
  const head = own ? VOCABULARY * WIDTH : 0;
  const count = VOCABULARY * WIDTH + LAYERS * each + WIDTH + (POSITIONS * WIDTH) / 4 + head;
  const random = randomOf(seed);
  const numbers = Float32Array.from({ length: count }, () => random() - 0.5);
  const header = Int32Array.from(SIZES, (size, at) => (at === 5 && own ? -size : size));
  return Buffer.concat([new Uint8Array(header.buffer), new Uint8Array(numbers.buffer)]);
}

async function open(bytes: Uint8Array) {
  const llama = parseLlama2c(bytes);
  const file = join(folder, 'llama.onnx');
  writeFileSync(file, encodeModel(convertLlama(llama)));
  return { llama, decoder: await openDecoder(file, { cache: CACHE, threads: 1 }) };
}

function largest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Math.max(...Array.from(a, (value, at) => Math.abs(value - (b[at] ?? Number.NaN))));
}

describe('a model in llama2.c’s format', () => {
  test.each([false, true])('becomes the same function, a head of its own: %s', async (own) => {
    const { llama, decoder } = await open(llamaFile({ own }));
    const wanted = runLlama(llama, TOKENS);
    expect(wanted).toHaveLength(TOKENS.length * VOCABULARY);
    expect(largest(wanted, await decoder.step(TOKENS))).toBeLessThan(1e-5);
    decoder.reset();
    const cached: number[] = [];
    for (const token of TOKENS) cached.push(...(await decoder.step([token])));
    expect(largest(wanted, cached)).toBeLessThan(1e-5);
    await decoder[Symbol.asyncDispose]();
  });

  test('whose matrices were turned is read as it was', () => {
    const plain = parseLlama2c(llamaFile());
    const turned = parseLlama2c(llamaFile(), { turns: 1 });
    const [layer, other] = [plain.layers[1]!, turned.layers[1]!];
    // What stands at row 3, column 5 of [8, 16] goes to row 5, column 3 of [16, 8].
    expect(other.key[5 * KEYS + 3]).toBe(layer.key[3 * WIDTH + 5]);
    expect(other.feedNorm).toEqual(layer.feedNorm);
  });

  test.each([
    ['too short', llamaFile().subarray(0, 2000), /ends after 2000 bytes/],
    ['no header', new Uint8Array(12), /has 12 bytes/],
    ['no sizes', new Uint8Array(64), /its width is 0/],
  ])('that is broken (%s) is refused', (_, bytes, message) => {
    expect(() => parseLlama2c(bytes)).toThrow(message);
  });

  test('has a tokenizer beside it', () => {
    const token = (text: string) => {
      const bytes = Buffer.from(text);
      const head = Buffer.alloc(8);
      head.writeInt32LE(bytes.length, 4);
      return Buffer.concat([head, bytes]);
    };
    const file = Buffer.concat([Buffer.alloc(4), token('a'), token(''), token('ß!')]);
    expect(parseTokens(file, 3)).toEqual(['a', '', 'ß!']);
  });
});

describe('perplexity', () => {
  test('is what the probabilities say', async () => {
    const { llama, decoder } = await open(llamaFile({ seed: 3 }));
    const logits = runLlama(llama, TOKENS);
    let surprise = 0;
    for (const [at, next] of TOKENS.slice(1).entries()) {
      const row = Array.from(logits.subarray(at * VOCABULARY, (at + 1) * VOCABULARY), Math.exp);
      surprise -= Math.log(row[next]! / row.reduce((sum, one) => sum + one, 0));
    }
    const found = await perplexityOf(decoder, [TOKENS], VOCABULARY);
    expect(found).toBeCloseTo(Math.exp(surprise / (TOKENS.length - 1)), 4);
    await decoder[Symbol.asyncDispose]();
  });

  test('texts are the same for the same seed, and draw by probability', async () => {
    const { decoder } = await open(llamaFile({ seed: 3 }));
    const text = (seed: number) =>
      generateText(decoder, {
        vocabulary: VOCABULARY,
        begin: 1,
        tokensMax: 12,
        random: randomOf(seed),
      });
    expect(await text(5)).toEqual(await text(5));
    expect(await text(5)).not.toEqual(await text(6));
    const logits = [0, Math.log(2), Math.log(1)].map((one) => one + 7);
    expect([0, 0.2, 0.3, 0.7, 0.8, 1].map((share) => drawToken(logits, share))).toEqual([
      0, 0, 1, 1, 2, 2,
    ]);
    await decoder[Symbol.asyncDispose]();
  });
});

describe('figures of the compression benchmark', () => {
  test('logits that are the same have no error, others their divergence', () => {
    const wanted = Float32Array.of(0, Math.log(3), 1, 1);
    const same = compareLogits(wanted, wanted, 2);
    expect(same).toMatchObject({ divergence: 0, agreement: 1, maxError: 0 });
    const found = Float32Array.of(Math.log(3), 0, 1, 1);
    const other = compareLogits(wanted, found, 2);
    expect(other.agreement).toBe(0.5);
    // 1/4 ln(1/3) + 3/4 ln 3, of two tokens of which one agrees.
    expect(other.divergence).toBeCloseTo(Math.log(3) / 4, 5);
  });

  test('turns go round, and ratios are of the same round', async () => {
    const order: string[] = [];
    const found = await takeTurns(['a', 'b'], 3, async (name) => {
      order.push(name);
      return order.length * (name === 'a' ? 1 : 10);
    });
    expect(order.join('')).toBe('abbaab');
    expect(found.get('a')).toEqual([1, 4, 5]);
    expect(found.get('b')).toEqual([20, 30, 60]);
    const spread = ratiosOf(found.get('b')!, found.get('a')!);
    expect(spread).toEqual({ middle: 12, low: 7.5, high: 20 });
    expect(formatSpread(spread, 1)).toBe('12.0 (7.5-20.0)');
  });
});
