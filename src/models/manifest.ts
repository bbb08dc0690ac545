import { LedgeError } from '../std/error.ts';
import { z } from '../std/schema.ts';
import { formatProblem, parseWith, parseYaml } from '../std/yaml.ts';
import type { DataType } from '../tensor/tensor.ts';
import { FREE } from '../tensor/tensor.ts';

/** How a model is named in results, logs and lists. */
export interface ModelIdentity {
  readonly name: string;
  readonly version: string;
  readonly precision: string;
  /** Which rung of its ladder; undefined where the model has none. */
  readonly rung?: string;
}

const TYPES = [
  'float32',
  'float16',
  'float64',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
  'bool',
] as const satisfies readonly DataType[];

/** A tensor has at most this many axes: video batches have five, nothing in the field has more. */
const RANK_MAX = 8;
/** A model has at most this many inputs or outputs: a language model's cache has two per layer. */
const TENSORS_MAX = 256;
/** A classifier has at most this many labels: ImageNet's full tree has 21,841. */
const LABELS_MAX = 65_536;
/** Rungs below the first one: each halves what a run costs, or it is not worth its file. */
export const LADDER_MAX = 7;
/** Names and versions appear in topics' payloads and in tables. */
const NAME_LENGTH_MAX = 128;

const name = z.string().min(1).max(NAME_LENGTH_MAX);

const shape = z
  .array(
    z.union([z.literal('N').transform(() => FREE), z.int().min(0)], {
      error: 'a size or the word N for a free dimension',
    }),
  )
  .max(RANK_MAX);

const tensor = z.strictObject({
  name: z.string().min(1).describe("The tensor's name in the file."),
  type: z.enum(TYPES).describe('Element type.'),
  shape: shape.describe('Sizes; N for a free dimension.'),
});

const accuracy = z.strictObject({
  metric: z.string().min(1).describe('What was measured: accuracy, f1, auroc.'),
  value: z.number().describe('The figure.'),
  data: z.string().min(1).describe('The data it was measured on.'),
  count: z.int().min(1).describe('How many events that was.'),
});

const file = z
  .string()
  .regex(/^[^./\\][^/\\]*\.onnx$/, 'the name of an .onnx file in the same folder');
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, '64 hexadecimal digits, lower case');
const precision = z.enum(['fp32', 'fp16', 'int8', 'int4']);

/** What a request says for no rung at all. */
export const AUTO = 'auto';

const rungName = z
  .string()
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,31}$/, 'letters, digits, ., - and _, at most 32')
  .refine((word) => word !== AUTO, `another name than ${AUTO}, which stands for no rung`);

const rung = z.strictObject({
  name: rungName.describe('What the rung is called in results, requests and flow files.'),
  file: file.describe('Its ONNX file, in the same folder.'),
  sha256: sha256.describe('SHA-256 of that file.'),
  precision: precision.describe('Of most of its weights.'),
  accuracy: z.array(accuracy).optional().describe('What was measured, and on which data.'),
});

const fields = z.strictObject({
  name: name.describe('What the model is called in results.'),
  version: z
    .union([name, z.number().transform(String)], { error: 'a version' })
    .describe("The model's own version."),
  file: file.default('model.onnx').describe('The ONNX file, in the same folder.'),
  sha256: sha256.describe("SHA-256 of the model's file."),
  precision: precision.describe('Of most of the weights.'),
  inputs: z.array(tensor).min(1).max(TENSORS_MAX).describe("The model's inputs."),
  outputs: z.array(tensor).min(1).max(TENSORS_MAX).describe("The model's outputs."),
  labels: z
    .array(z.union([z.string(), z.number().transform(String)], { error: 'a label' }))
    .min(1)
    .max(LABELS_MAX)
    .optional()
    .describe('Names of the classes, in the order of the output.'),
  licence: z.string().min(1).optional().describe('Under which the model may be used.'),
  origin: z.string().min(1).optional().describe('Where the model comes from.'),
  accuracy: z.array(accuracy).optional().describe('What was measured, and on which data.'),
  description: z.string().optional().describe('What the model does, for people.'),
  taught: z
    .int()
    .min(1)
    .optional()
    .describe('Version of what was taught on a node: `ledge teach`; the files are in teach/.'),
  rung: rungName
    .optional()
    .describe('With a ladder: what this file is called as its first rung; default its precision.'),
  ladder: z
    .array(rung)
    .min(1)
    .max(LADDER_MAX)
    .optional()
    .describe(
      'Cheaper files for the same inputs, outputs and labels, from the most accurate to the cheapest.',
    ),
});

/** The schema of model.yaml, which stands beside the model's file. */
export const manifestSchema = fields.superRefine((manifest, context) => {
  const rungs = rungsOf(manifest);
  for (const field of ['name', 'file'] as const) {
    rungs.forEach((one, index) => {
      const before = rungs.slice(0, index).map((other) => other[field]);
      if (!before.includes(one[field])) return;
      const message = `another ${field} than the rungs before it: ${before.join(', ')}`;
      context.addIssue({ code: 'custom', message, path: ['ladder', index - 1, field] });
    });
  }
});

/** One file of a model, as its manifest says. */
export type ManifestRung = z.output<typeof rung>;

/** All files of a model, the most accurate first; one where the manifest has no ladder. */
export function rungsOf({
  rung: named,
  ladder = [],
  ...first
}: z.output<typeof fields>): readonly [ManifestRung, ...ManifestRung[]] {
  const { file: name, sha256: digest, precision: of, accuracy: measured } = first;
  return [
    { name: named ?? of, file: name, sha256: digest, precision: of, accuracy: measured },
    ...ladder,
  ];
}

/** What model.yaml says; free dimensions are FREE. */
export type Manifest = z.output<typeof manifestSchema>;

/** Parses the text of a model.yaml. Throws LedgeError model-invalid, all problems at once. */
export function parseManifest(text: string, file: string): Manifest {
  const yaml = parseYaml(text, file);
  const parsed = yaml.kind === 'ok' ? parseWith(manifestSchema, yaml.value) : yaml;
  if (parsed.kind === 'ok') return parsed.value as Manifest;
  const problems = parsed.problems.map(formatProblem);
  throw new LedgeError('model-invalid', `Cannot read the manifest: ${problems.join('; ')}`, {
    context: { file, problems },
  });
}
