import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeModel, parseModel } from '../../src/onnx/graph.ts';
import { inspectBytes } from '../../src/onnx/inspect.ts';
import { mutate } from './mutate.ts';
import { mutateProtobuf } from './mutate-protobuf.ts';
import { randomModel } from './onnx-seeds.ts';
import { createRandom, type Random } from './random.ts';
import type { Target } from './target.ts';
import { isTold } from './told.ts';

/** Models that inputs are made of: encoding one anew each time would be most of the work. */
const MODELS = 800;
/** The way out and in again is tried for one input in so many. */
const AGAIN_ONE_IN = 16;
/** A problem of a model fits a log line. */
const TOLD_MAX = 203;

/** The reader of ONNX files: generated models, whole and mutated, with weights beside them. */
export async function openOnnxTarget(): Promise<Target> {
  const folder = await mkdtemp(join(tmpdir(), 'ledge-fuzz-'));
  await writeFile(join(folder, 'weights.bin'), new Uint8Array(4096));
  await symlink('/etc/passwd', join(folder, 'link.bin'));
  await mkdir(join(folder, 'folder'));
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  const models = new Map<number, Uint8Array>();
  return {
    input: (random) => onnxInput(models, random),
    check: (bytes) => checkReader(bytes, folder),
  };
}

/** One of the models: one in eight whole, the others changed by field or by byte. */
export function onnxInput(models: Map<number, Uint8Array>, random: Random): Uint8Array {
  const number = random.below(MODELS);
  let bytes = models.get(number) ?? randomModel(createRandom(number));
  models.set(number, bytes);
  if (random.oneIn(8)) return bytes;
  for (let count = random.below(4); count > 0; count -= 1) bytes = mutateProtobuf(bytes, random);
  return random.oneIn(3) ? mutate(bytes, random) : bytes;
}

/** Throws unless the reader tells of what is wrong, and what it parses comes out as it went in. */
export async function checkReader(bytes: Uint8Array, folder?: string): Promise<void> {
  const { summary, problems } = await inspectBytes(bytes, folder === undefined ? {} : { folder });
  if (summary === undefined && problems.length === 0) throw new TypeError('neither good nor bad');
  for (const { where, message } of problems) {
    if (where.length > TOLD_MAX || message.length > TOLD_MAX) throw new TypeError('told too much');
  }
  if ((bytes.length + (bytes.at(-1) ?? 0)) % AGAIN_ONE_IN > 0) return;
  try {
    const model = parseModel(bytes);
    const again = encodeModel(parseModel(encodeModel(model)));
    if (Buffer.compare(again, encodeModel(model)) !== 0) throw new TypeError('changed on its way');
  } catch (error) {
    if (!isTold(error)) throw error;
  }
}
