import { LedgeError } from '../std/error.ts';
import { z } from '../std/schema.ts';
import { entryPathProblem, pathSetProblem, tell } from './entry-path.ts';
import { FILE_BYTES_MAX, FILES_MAX, MANIFEST_BYTES_MAX, TOTAL_BYTES_MAX } from './limits.ts';

/** Says what was signed: no other file of a project begins like it. */
const FORMAT = 'ledge-bundle/1';
/** Problems told of one manifest. */
const PROBLEMS_TOLD_MAX = 5;

const VERSION = /^(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?:-[0-9A-Za-z.-]{1,32})?$/;

/** The schema of bundle.json, which names every file of the bundle. */
export const bundleSchema = z.strictObject({
  format: z.literal(FORMAT).describe('The kind of this file.'),
  name: z
    .string()
    .regex(/^[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}$/, 'letters, digits, - and _, at most 64')
    .describe('The flow, and the folder it is installed in.'),
  version: z
    .string()
    .regex(/^[0-9A-Za-z][0-9A-Za-z.+-]{0,63}$/, 'letters, digits, . + and -, at most 64')
    .describe("The flow's own version; by default the beginning of a hash of its files."),
  created: z
    .string()
    .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'a time such as 2026-01-31T12:00:00Z')
    .describe('When the newest of the files was written, or what the packer was told.'),
  ledge: z.string().regex(VERSION, 'a version').describe('The oldest ledge that can run it.'),
  files: z
    .array(
      z.strictObject({
        path: z.string().describe('Below the folder of the flow.'),
        bytes: z.int().min(0).max(FILE_BYTES_MAX).describe('Its size.'),
        sha256: z
          .string()
          .regex(/^[0-9a-f]{64}$/, '64 hexadecimal digits, lower case')
          .describe('Its SHA-256.'),
      }),
    )
    .min(1)
    .max(FILES_MAX)
    .describe('Every file, in the order of the paths.'),
});

/** What a bundle holds. */
export type BundleManifest = z.output<typeof bundleSchema>;
export type BundleFile = BundleManifest['files'][number];

/** The one text of a manifest: keys in the order of the schema, so that equal means same bytes. */
export function encodeManifest(manifest: Omit<BundleManifest, 'format'>): Uint8Array {
  const { name, version, created, ledge, files } = manifest;
  const plain = {
    format: FORMAT,
    name,
    version,
    created,
    ledge,
    files: files.map(({ path, bytes, sha256 }) => ({ path, bytes, sha256 })),
  };
  return Buffer.from(`${JSON.stringify(plain, null, 1)}\n`);
}

/**
 * Reads bundle.json: exactly the text that `encodeManifest` writes, every path inside the flow's folder
 * and in order. Throws LedgeError bundle-invalid.
 */
export function parseBundleManifest(bytes: Uint8Array): BundleManifest {
  if (bytes.length > MANIFEST_BYTES_MAX) {
    throw invalid(`it has ${bytes.length} bytes, at most ${MANIFEST_BYTES_MAX}`);
  }
  const parsed = bundleSchema.safeParse(jsonOf(bytes));
  if (!parsed.success) {
    const issues = parsed.error.issues.slice(0, PROBLEMS_TOLD_MAX);
    const told = issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
    throw invalid(told.join('; '));
  }
  const manifest = parsed.data;
  if (Buffer.compare(encodeManifest(manifest), bytes) !== 0) {
    throw invalid('it is not written as ledge writes it');
  }
  checkFiles(manifest.files);
  return manifest;
}

/** Throws bundle-invalid unless the files can stand together in one folder. */
export function checkFiles(files: readonly BundleFile[]): void {
  let total = 0;
  for (const [index, { path, bytes }] of files.entries()) {
    const problem = entryPathProblem(path);
    if (problem !== undefined) throw invalid(`the path ${tell(path)} ${problem}`);
    if (index > 0 && path <= files[index - 1]!.path) {
      throw invalid(`${tell(path)} is twice there or out of order`);
    }
    total += bytes;
  }
  if (total > TOTAL_BYTES_MAX) {
    throw invalid(`its files have ${total} bytes, at most ${TOTAL_BYTES_MAX}`);
  }
  const problem = pathSetProblem(files.map(({ path }) => path));
  if (problem !== undefined) throw invalid(problem);
  if (!files.some(({ path }) => path === 'flow.yaml')) throw invalid('it has no flow.yaml');
}

/** Throws `unsupported` where this ledge is older than the bundle needs. */
export function checkLedgeVersion({ name, ledge }: BundleManifest, own: string): void {
  const [needed, have] = [numbersOf(ledge), numbersOf(own)];
  const at = needed.findIndex((part, index) => part !== have[index]);
  if (at === -1 || needed[at]! < have[at]!) return;
  const message = `Cannot use the bundle of "${name}": it needs ledge ${ledge}, this is ${own}`;
  throw new LedgeError('unsupported', message, { context: { needed: ledge, own } });
}

function numbersOf(version: string): readonly number[] {
  return (VERSION.exec(version) ?? []).slice(1, 4).map(Number);
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw invalid((error as Error).message);
  }
}

function invalid(state: string): LedgeError {
  return new LedgeError('bundle-invalid', `Cannot read the manifest of the bundle: ${state}`);
}
