import { open, stat } from 'node:fs/promises';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { z } from '../../src/std/schema.ts';

const ROWS_PER_RUN = 64;
const CLIP_SAMPLES = 16_000;
/** Frames of one embedding, and where its windows begin in the 97 frames of a second. */
const WINDOW_FRAMES = 76;
const WINDOW_STARTS = [0, 10, 21];
const BANDS = 32;

const jobSchema = z.strictObject({
  /** `reference`: float32 rows through one model; `embedding`: int16 clips to speech embeddings. */
  kind: z.enum(['reference', 'embedding']),
  models: z.array(z.string()).min(1),
  input: z.string(),
  shape: z.array(z.int()),
  output: z.string(),
});

type Run = (bytes: Buffer, rows: number) => Promise<Float32Array>;

const open1 = (path: string) =>
  InferenceSession.create(path, { intraOpNumThreads: 1, interOpNumThreads: 1 });

async function only(session: InferenceSession, input: Tensor): Promise<Float32Array> {
  const found = await session.run({ [session.inputNames[0]!]: input });
  return found[session.outputNames[0]!]!.data as Float32Array;
}

async function rowsThrough([path]: readonly string[], shape: readonly number[]): Promise<Run> {
  const session = await open1(path!);
  return (bytes, rows) => {
    const data = new Float32Array(
      bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length),
    );
    return only(session, new Tensor('float32', data, [rows, ...shape]));
  };
}

/** openWakeWord's chain: mel frames, then three embeddings of 96 numbers over the second. */
async function embeddings([melPath, path]: readonly string[]): Promise<Run> {
  const [mel, session] = [await open1(melPath!), await open1(path!)];
  return async (bytes, rows) => {
    const samples = Float32Array.from({ length: rows * CLIP_SAMPLES }, (_, at) =>
      bytes.readInt16LE(at * 2),
    );
    const frames = await only(mel, new Tensor('float32', samples, [rows, CLIP_SAMPLES]));
    const perRow = frames.length / rows;
    const size = WINDOW_FRAMES * BANDS;
    const windows = new Float32Array(rows * WINDOW_STARTS.length * size);
    for (let row = 0; row < rows; row++) {
      for (const [index, start] of WINDOW_STARTS.entries()) {
        const from = row * perRow + start * BANDS;
        const part = frames.subarray(from, from + size).map((value) => value / 10 + 2);
        windows.set(part, (row * WINDOW_STARTS.length + index) * size);
      }
    }
    const shape = [rows * WINDOW_STARTS.length, WINDOW_FRAMES, BANDS, 1];
    return only(session, new Tensor('float32', windows, shape));
  };
}

/** Streams a file of rows through a model into a file of float32 rows; progress on stderr. */
async function teacherRows(text: string): Promise<{ rows: number }> {
  const { kind, models, input, shape, output } = jobSchema.parse(JSON.parse(text));
  const embed = kind === 'embedding';
  const run = embed ? await embeddings(models) : await rowsThrough(models, shape);
  const rowBytes = shape.reduce((size, axis) => size * axis, embed ? 2 : 4);
  const rows = (await stat(input)).size / rowBytes;
  await using source = await open(input);
  await using target = await open(output, 'w');
  for (let first = 0; first < rows; first += ROWS_PER_RUN) {
    const count = Math.min(ROWS_PER_RUN, rows - first);
    const bytes = Buffer.alloc(count * rowBytes);
    await source.read(bytes, 0, bytes.length, first * rowBytes);
    const found = await run(bytes, count);
    await target.write(new Uint8Array(found.buffer, found.byteOffset, found.byteLength));
    if (first % (ROWS_PER_RUN * 64) === 0) process.stderr.write(`${kind} ${first} of ${rows}\n`);
  }
  return { rows };
}

console.log(JSON.stringify(await teacherRows(process.argv[2] ?? '{}')));
