import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sampleBytes } from '../../src/signal/pcm.ts';
import { encodeWav, parseWav } from '../../src/signal/wav.ts';

const RUNS = { numRuns: 500 };

const chunkName = fc
  .stringMatching(/^[a-zA-Z0-9 ]{4}$/)
  .filter((name) => name !== 'fmt ' && name !== 'data');

/** One chunk with its padding, which is not in its size. */
function chunk(name: string, body: Uint8Array): Buffer {
  const head = Buffer.alloc(8);
  head.write(name, 'latin1');
  head.writeUInt32LE(body.byteLength, 4);
  return Buffer.concat([head, body, Buffer.alloc(body.byteLength % 2)]);
}

/** A PCM format chunk of 16 bytes, or of 18 as some programs write it. */
function format(rate: number, channels: number, bits: number, length: number): Buffer {
  const body = Buffer.alloc(length);
  body.writeUInt16LE(1, 0);
  body.writeUInt16LE(channels, 2);
  body.writeUInt32LE(rate, 4);
  body.writeUInt32LE((rate * channels * bits) / 8, 8);
  body.writeUInt16LE((channels * bits) / 8, 12);
  body.writeUInt16LE(bits, 14);
  return chunk('fmt ', body);
}

const other = fc
  .tuple(chunkName, fc.uint8Array({ maxLength: 40 }))
  .map(([name, body]) => chunk(name, body));
const others = fc.array(other, { maxLength: 8 });

const wav = fc
  .record({
    rate: fc.integer({ min: 1, max: 768_000 }),
    channels: fc.integer({ min: 1, max: 32 }),
    bits: fc.constantFrom(8, 16, 24, 32),
    length: fc.constantFrom(16, 18),
    frames: fc.nat({ max: 50 }),
    seed: fc.uint8Array({ minLength: 1, maxLength: 16 }),
    before: others,
    between: others,
    after: others,
  })
  .map(({ rate, channels, bits, length, frames, seed, before, between, after }) => {
    const data = Buffer.alloc((frames * channels * bits) / 8, seed);
    const body = Buffer.concat([
      ...[Buffer.from('WAVE'), ...before, format(rate, channels, bits, length), ...between],
      ...[chunk('data', data), ...after],
    ]);
    const riff = Buffer.alloc(8);
    riff.write('RIFF');
    riff.writeUInt32LE(body.byteLength, 4);
    return { rate, channels, bits, data, bytes: Buffer.concat([riff, body]) };
  });

test('the sound of a WAV is found behind and before any other chunks', () => {
  fc.assert(
    fc.property(wav, ({ rate, channels, bits, data, bytes }) => {
      const read = parseWav(bytes);
      expect(read).toMatchObject({ sampleRateHz: rate, channels, missingBytes: 0 });
      expect(sampleBytes(read.format) * 8).toBe(bits);
      expect(Buffer.from(read.data).equals(data)).toBe(true);
    }),
    RUNS,
  );
});

test('the sound of a WAV that is cut anywhere is what is there, in whole frames', () => {
  fc.assert(
    fc.property(wav, fc.nat({ max: 2000 }), ({ channels, bits, data, bytes }, at) => {
      const kept = bytes.subarray(0, at);
      const read = attempt(kept);
      if (read === undefined) return;
      expect(read.data.byteLength % ((channels * bits) / 8)).toBe(0);
      expect(data.subarray(0, read.data.byteLength).equals(read.data)).toBe(true);
      expect(read.data.byteLength + read.missingBytes).toBe(data.byteLength);
    }),
    RUNS,
  );
});

test('any bytes are a WAV within those bytes, or a payload that does not parse', () => {
  const whole = encodeWav(new Float32Array(32), 16_000);
  const broken = fc
    .array(fc.tuple(fc.nat({ max: whole.byteLength - 1 }), fc.nat({ max: 255 })), { maxLength: 6 })
    .map((changes) => {
      const bytes = Uint8Array.from(whole);
      for (const [at, value] of changes) bytes[at] = value;
      return bytes;
    });
  fc.assert(
    fc.property(fc.oneof(broken, fc.uint8Array({ maxLength: 100 })), (bytes) => {
      const read = attempt(bytes);
      if (read === undefined) return;
      expect(read.data.byteLength).toBeLessThanOrEqual(bytes.byteLength);
      expect(read.data.byteLength % (sampleBytes(read.format) * read.channels)).toBe(0);
      expect(read.missingBytes).toBeGreaterThanOrEqual(0);
    }),
    { numRuns: 2000 },
  );
});

/** A WAV, or undefined where the bytes are refused as they should be. */
function attempt(bytes: Uint8Array): ReturnType<typeof parseWav> | undefined {
  try {
    return parseWav(bytes);
  } catch (error) {
    expect(error).toMatchObject({ name: 'LedgeError', code: 'payload-invalid' });
    return undefined;
  }
}
