import { readFile, writeFile } from 'node:fs/promises';
import { InferenceSession, Tensor } from 'onnxruntime-node';

const FRAME_SAMPLES = 512;
const CONTEXT_SAMPLES = 64;
const STATE_SHAPE = [2, 1, 128];

/** The probability of speech of every frame of 512 samples, from a state of zeros. */
async function frames(session: InferenceSession, samples: Float32Array): Promise<Float32Array> {
  const found = new Float32Array(Math.floor(samples.length / FRAME_SAMPLES));
  let state = new Tensor('float32', new Float32Array(2 * 128), STATE_SHAPE);
  const rate = new Tensor('int64', BigInt64Array.of(16_000n), []);
  const input = new Float32Array(CONTEXT_SAMPLES + FRAME_SAMPLES);
  for (let frame = 0; frame < found.length; frame += 1) {
    const start = frame * FRAME_SAMPLES;
    input.copyWithin(0, FRAME_SAMPLES);
    input.set(samples.subarray(start, start + FRAME_SAMPLES), CONTEXT_SAMPLES);
    const { output, stateN } = await session.run({
      input: new Tensor('float32', input, [1, input.length]),
      state,
      sr: rate,
    });
    if (output === undefined || stateN === undefined) throw new Error('This is no Silero VAD');
    found[frame] = Number(output.data[0]);
    state = stateN as typeof state;
  }
  return found;
}

/**
 * Silero's frames of every sound of a file of float32 samples. Arguments: the model, the samples,
 * a file of uint32 ends of the sounds, and where the probabilities go, one sound after the other.
 */
async function sileroFrames(paths: readonly string[]): Promise<{ frames: number }> {
  const [model = '', sounds = '', ends = '', out = ''] = paths;
  const session = await InferenceSession.create(model, { intraOpNumThreads: 1 });
  const bytes = await readFile(sounds);
  const samples = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const endBytes = await readFile(ends);
  const parts: Float32Array[] = [];
  let start = 0;
  for (const end of new Uint32Array(endBytes.buffer, endBytes.byteOffset, endBytes.length / 4)) {
    parts.push(await frames(session, samples.subarray(start, end)));
    start = end;
  }
  await writeFile(out, Buffer.concat(parts.map((part) => Buffer.from(part.buffer))));
  return { frames: parts.reduce((sum, { length }) => sum + length, 0) };
}

console.log(JSON.stringify(await sileroFrames(process.argv.slice(2))));
