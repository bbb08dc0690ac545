import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LedgeError } from '../std/error.ts';
import { mapConstants } from './edit-model.ts';
import { checkExternal, type FoundFiles } from './external.ts';
import { constantsOf, ONNX_LIMITS, type OnnxLimits, parseModel, tensorBytes } from './graph.ts';
import { readBounded } from './inspect.ts';
import type { Originals } from './message.ts';
import type { Model, TensorRecord } from './proto.ts';
import { checkConstant, EXTERNAL } from './weights.ts';

/** A model as it was read: what is not replaced of it is written back as it stood. */
export interface ModelFile {
  readonly model: Model;
  readonly originals: Originals;
  /** Bytes of the model's file, without those beside it. */
  readonly fileBytes: number;
  /** Bytes of the files beside it that its constants named. */
  readonly externalBytes: number;
}

/**
 * Reads a model to change it. Numbers in files beside it are read into it, within the same limits.
 * Throws `not-found`, or `model-invalid` where it does not parse or a constant is not whole.
 */
export async function readModelFile(
  path: string,
  limits: Partial<OnnxLimits> = {},
): Promise<ModelFile> {
  const all = { ...ONNX_LIMITS, ...limits };
  const content = await readBounded(path, all.fileBytesMax);
  if (content.kind === 'too-large') {
    throw invalid(path, `the file has ${content.bytes} bytes, the limit is ${all.fileBytesMax}`);
  }
  const originals: Originals = new WeakMap();
  const parsed = parseModel(content.bytes, all, originals);
  const numbers = await readExternal(parsed, { path, limits: all });
  const model = mapConstants(parsed, (tensor) => numbers.get(tensor) ?? tensor);
  let externalBytes = 0;
  for (const { rawData } of numbers.values()) externalBytes += rawData?.length ?? 0;
  return { model, originals, fileBytes: content.bytes.length, externalBytes };
}

interface ReadOptions {
  readonly path: string;
  readonly limits: OnnxLimits;
}

/** The constants whose numbers are in other files, with their numbers. */
async function readExternal(
  model: Model,
  { path, limits }: ReadOptions,
): Promise<ReadonlyMap<TensorRecord, TensorRecord>> {
  const found = new Map<TensorRecord, TensorRecord>();
  const files: FoundFiles = new Map();
  const folder = dirname(path);
  let bytes = 0;
  for (const tensor of constantsOf(model)) {
    if (tensor.dataLocation !== EXTERNAL) continue;
    const problems = checkConstant(tensor, limits);
    if (problems.length === 0) problems.push(...(await checkExternal(tensor, folder, files)));
    const [problem] = problems;
    if (problem !== undefined) throw invalid(path, `"${problem.where}": ${problem.message}`);
    bytes += tensorBytes(tensor) ?? 0;
    if (bytes > limits.fileBytesMax) {
      throw invalid(path, `its weights are over the limit of ${limits.fileBytesMax} bytes`);
    }
    found.set(tensor, await withNumbers(tensor, folder));
  }
  return found;
}

async function withNumbers(tensor: TensorRecord, folder: string): Promise<TensorRecord> {
  const field = (key: string) => tensor.externalData.find((entry) => entry.key === key)?.value;
  const location = field('location') ?? '';
  const length = tensorBytes(tensor) ?? 0;
  const rawData = new Uint8Array(length);
  await using file = await open(join(folder, location), 'r');
  const { bytesRead } = await file.read(rawData, 0, length, Number(field('offset') ?? '0'));
  if (bytesRead < length) throw invalid(location, `it ends before "${tensor.name}" does`);
  const { dataLocation: _, ...inside } = tensor;
  return { ...inside, externalData: [], rawData };
}

function invalid(file: string, state: string): LedgeError {
  return new LedgeError('model-invalid', `Cannot read the model ${file}: ${state}`, {
    context: { file },
  });
}
