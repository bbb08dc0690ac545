import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { z } from '../../src/std/schema.ts';

const jobSchema = z.strictObject({
  model: z.string(),
  folder: z.string(),
  shape: z.array(z.int()),
});

/** Runs a model on `input.bin` (uint8), row by row, and writes each float32 output as `<name>.bin`. */
async function writeOutputs(text: string): Promise<Record<string, number>> {
  const { model, folder, shape } = jobSchema.parse(JSON.parse(text));
  const session = await InferenceSession.create(model, { intraOpNumThreads: 1 });
  const input = new Uint8Array(await readFile(join(folder, 'input.bin')));
  const [count = 1, ...rest] = shape;
  const size = input.length / count;
  const rows = new Map<string, Buffer[]>(session.outputNames.map((name) => [name, []]));
  for (let row = 0; row < count; row++) {
    const one = new Tensor('uint8', input.slice(row * size, (row + 1) * size), [1, ...rest]);
    const found = await session.run({ [session.inputNames[0] ?? '']: one });
    for (const [name, parts] of rows) {
      const numbers = found[name]?.data as Float32Array;
      parts.push(Buffer.from(Float32Array.from(numbers).buffer));
    }
  }
  for (const [name, parts] of rows)
    await writeFile(join(folder, `${name}.bin`), Buffer.concat(parts));
  return Object.fromEntries([...rows].map(([name, parts]) => [name, parts.length]));
}

console.log(JSON.stringify(await writeOutputs(process.argv[2] ?? '{}')));
