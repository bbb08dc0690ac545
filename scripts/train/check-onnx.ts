import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { z } from '../../src/std/schema.ts';

const jobSchema = z.strictObject({
  model: z.string(),
  folder: z.string(),
  shape: z.array(z.int()),
  type: z.enum(['float32', 'uint8']),
  outputs: z.array(z.string()),
});

async function floats(path: string): Promise<Float32Array> {
  const bytes = await readFile(path);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

async function bytesOf(path: string): Promise<Uint8Array> {
  return new Uint8Array(await readFile(path));
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((worst, value, index) => Math.max(worst, Math.abs(value - (b[index] ?? NaN))), 0);
}

/** Runs a model on recorded inputs, whole and one by one, and tells how far it is from the record. */
async function checkOnnx(text: string): Promise<Record<string, { whole: number; single: number }>> {
  const { model, folder, shape, type, outputs } = jobSchema.parse(JSON.parse(text));
  const session = await InferenceSession.create(model, { intraOpNumThreads: 1 });
  const path = join(folder, 'input.bin');
  const input = type === 'uint8' ? await bytesOf(path) : await floats(path);
  const [count = 1, ...rest] = shape;
  const size = input.length / count;
  const name = session.inputNames[0] ?? '';
  const whole = await session.run({ [name]: new Tensor(type, input, shape) });
  const singles = [];
  for (let row = 0; row < count; row++) {
    const data = input.slice(row * size, (row + 1) * size);
    singles.push(await session.run({ [name]: new Tensor(type, data, [1, ...rest]) }));
  }
  const found: Record<string, { whole: number; single: number }> = {};
  for (const output of outputs) {
    const expected = await floats(join(folder, `${output}.bin`));
    const rows = singles.flatMap((single) => Array.from(single[output]?.data as Float32Array));
    found[output] = {
      whole: largestDifference(expected, whole[output]?.data as Float32Array),
      single: largestDifference(expected, Float32Array.from(rows)),
    };
  }
  return found;
}

console.log(JSON.stringify(await checkOnnx(process.argv[2] ?? '{}')));
