import { LedgeError } from '../std/error.ts';
import { z } from '../std/schema.ts';

/** Examples of one label: more belong into a training, and leaving each out takes time. */
export const EXAMPLES_MAX = 64;
/** Labels taught to one model: each is learned against all others. */
export const TAUGHT_MAX = 32;
/** A file of what was taught: 32 labels of 64 examples of 512 features are 5.6 MB. */
export const LESSON_BYTES_MAX = 67_108_864;

/** Numbers as text. */
export const numbers = z.base64().describe('float32, little-endian');
/** A label. */
export const labelName = z.string().min(1).max(128);
/** Of a model's file. */
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const taughtSchema = z.strictObject({
  label: labelName,
  examples: z.array(z.string().max(256)).min(1).max(EXAMPLES_MAX),
  /** [examples, size] by the SHA-256 of the model that gave them. */
  features: z.record(sha256, numbers),
  leaveOneOut: z.strictObject({
    recognised: z.int().min(0),
    of: z.int().min(1),
    falseShare: z.number().min(0).max(1),
  }),
});

const lessonSchema = z.strictObject({
  version: z.int().min(1),
  /** The model as it was before anything was taught. */
  base: sha256,
  taught: z.array(taughtSchema).min(1).max(TAUGHT_MAX),
  tests: z.strictObject({ passed: z.int().min(0), of: z.int().min(0) }),
  solveMs: z.number().min(0),
});

/** A label that was taught, with the features of its examples. */
export type Taught = z.output<typeof taughtSchema>;
/** A version of what a flow was taught, on disk beside its models. */
export type Lesson = z.output<typeof lessonSchema>;
/** Parses a lesson's file. Throws `model-invalid`. */
export function parseLesson(text: string, file: string): Lesson {
  return parseWritten(lessonSchema, text, file);
}

/** Numbers as text: float32, little-endian, base64. */
export function encodeNumbers(values: ArrayLike<number>): string {
  const { buffer } = Float32Array.from(values);
  return Buffer.from(buffer).toString('base64');
}

/** The numbers of a text, as many as are asked for. Throws `model-invalid`. */
export function decodeNumbers(text: string, count: number): Float64Array {
  const bytes = new Uint8Array(Buffer.from(text, 'base64'));
  if (bytes.length !== count * Float32Array.BYTES_PER_ELEMENT) {
    const state = `${bytes.length} bytes for ${count} numbers`;
    throw new LedgeError('model-invalid', `Cannot read what was taught: ${state}`);
  }
  return Float64Array.from(new Float32Array(bytes.buffer));
}

/** Parses a file that was written here, as JSON. Throws `model-invalid`. */
export function parseWritten<T>(schema: z.ZodType<T>, text: string, file: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new LedgeError('model-invalid', `Cannot read ${file}: it is no JSON`, { cause });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const state = z.prettifyError(parsed.error);
  throw new LedgeError('model-invalid', `Cannot read ${file}: ${state}`, { context: { file } });
}
