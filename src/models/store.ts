import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { OnnxSummary } from '../onnx/inspect.ts';
import { inspectModel } from '../onnx/inspect.ts';
import { LedgeError, toLedgeError } from '../std/error.ts';
import { YAML_BYTES_MAX } from '../std/yaml.ts';
import type { NamedTensorSpec } from '../tensor/tensor.ts';
import { FREE, formatShape, shapeFits } from '../tensor/tensor.ts';
import type { Manifest, ManifestRung, ModelIdentity } from './manifest.ts';
import { parseManifest, rungsOf } from './manifest.ts';

/** The manifest's name in a model's folder. */
export const MANIFEST_FILE = 'model.yaml';
/** Folders under a root of models are searched this deep: root/flow/model and one to spare. */
const DEPTH_MAX = 3;
/** This many models are listed at most: a node holds tens. */
const MODELS_MAX = 1_000;
/** Problems told in an error's message; its context carries all of them. */
const PROBLEMS_TOLD_MAX = 5;

/** One file of a model that was found whole, and safe to give to the runtime. */
export interface LoadedRung {
  readonly identity: ModelIdentity;
  /** The .onnx file, absolute. */
  readonly file: string;
  /** Of the file's bytes, hexadecimal. */
  readonly sha256: string;
  readonly summary: OnnxSummary;
}

/** A model as its manifest says: its first rung, and all of them. */
export interface LoadedModel extends LoadedRung {
  readonly labels: readonly string[] | undefined;
  /** The most accurate first, each with the same inputs and outputs; one where there is no ladder. */
  readonly rungs: readonly [LoadedRung, ...LoadedRung[]];
  /** Undefined for a bare .onnx. */
  readonly manifest: Manifest | undefined;
}

/**
 * Loads a model's folder, its model.yaml or a bare .onnx: every file hashed, inspected, compared with
 * the manifest; the runtime does not see it yet.
 * Throws LedgeError: not-found, model-invalid, model-refused.
 */
export async function loadModel(path: string): Promise<LoadedModel> {
  const found = await locate(resolve(path));
  const manifest =
    found.manifestFile === undefined ? undefined : await readManifest(found.manifestFile);
  if (manifest === undefined) return loadBare(found.file);
  const { name, version, labels } = manifest;
  const [stated, ...cheaper] = rungsOf(manifest);
  const rung = cheaper.length === 0 ? {} : { rung: stated.name };
  const identity = { name, version, precision: stated.precision, ...rung };
  const at = { folder: dirname(found.file), field: '' };
  const first = await loadRung(stated, { ...at, identity });
  compareTensors(name, 'input', manifest.inputs, first.summary.inputs);
  compareTensors(name, 'output', manifest.outputs, first.summary.outputs);
  const rungs: [LoadedRung, ...LoadedRung[]] = [first];
  for (const [index, { name: own, precision, ...files }] of cheaper.entries()) {
    const field = `ladder.${index}.`;
    const next = { ...at, field, identity: { name, version, precision, rung: own } };
    rungs.push(sameEnds(await loadRung(files, next), first, field));
  }
  return { ...first, labels, rungs, manifest };
}

async function loadBare(file: string): Promise<LoadedModel> {
  const name = bareName(file);
  const sha256 = await hashFile(file, name);
  const summary = await admit(file, name);
  const identity = { name, version: sha256.slice(0, 8), precision: summary.precision };
  const rung = { identity, file, sha256, summary };
  return { ...rung, labels: undefined, rungs: [rung], manifest: undefined };
}

/** Loads one file that a manifest names; `field` is what stands before its fields there. */
async function loadRung(
  stated: Pick<ManifestRung, 'file' | 'sha256'>,
  at: { readonly folder: string; readonly field: string; readonly identity: ModelIdentity },
): Promise<LoadedRung> {
  const { identity, field } = at;
  const file = join(at.folder, stated.file);
  const sha256 = await hashFile(file, identity.name);
  if (stated.sha256 !== sha256) {
    const says = `${field === '' ? '' : `${field}sha256 of `}${MANIFEST_FILE} says`;
    const state = `${file} has sha256 ${sha256}, ${says} ${stated.sha256}`;
    throw invalid(identity.name, state, file);
  }
  const summary = await admit(file, identity.name, field === '' ? '' : `${stated.file}: `);
  return { identity, file, sha256, summary };
}

/** One entry of a list of models: a manifest, or why it cannot be read. */
export type ListedModel =
  | { readonly kind: 'model'; readonly path: string; readonly manifest: Manifest }
  | { readonly kind: 'invalid'; readonly path: string; readonly error: LedgeError };

/** Every model.yaml under a folder, in the order of their paths; the model files are not read. */
export async function listModels(root: string): Promise<readonly ListedModel[]> {
  const found: ListedModel[] = [];
  await collect(resolve(root), 0, found);
  return found;
}

async function collect(folder: string, depth: number, found: ListedModel[]): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    throw new LedgeError('not-found', `Cannot list models: no folder ${folder}`, { cause });
  });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (found.length >= MODELS_MAX) return;
    const path = join(folder, entry.name);
    if (entry.isDirectory() && depth < DEPTH_MAX) await collect(path, depth + 1, found);
    else if (entry.isFile() && entry.name === MANIFEST_FILE) found.push(await listed(path));
  }
}

async function listed(path: string): Promise<ListedModel> {
  try {
    return { kind: 'model', path, manifest: await readManifest(path) };
  } catch (error) {
    return { kind: 'invalid', path, error: toLedgeError(error) };
  }
}

/** Where the manifest is, if any, and the model file as far as it is known without it. */
async function locate(path: string): Promise<{ manifestFile: string | undefined; file: string }> {
  const found = await statOf(path);
  if (found === undefined) throw missing(path);
  if (!found.isDirectory()) {
    // A device or pipe has no size, and no end.
    if (!found.isFile()) throw missing(path);
    return path.endsWith('.onnx')
      ? { manifestFile: undefined, file: path }
      : { manifestFile: path, file: path };
  }
  const manifestFile = join(path, MANIFEST_FILE);
  if ((await statOf(manifestFile)) === undefined) throw missing(manifestFile);
  return { manifestFile, file: manifestFile };
}

async function readManifest(file: string): Promise<Manifest> {
  const found = await statOf(file);
  if (found === undefined) throw missing(file);
  if (found.size > YAML_BYTES_MAX) {
    const state = `${found.size} bytes, at most ${YAML_BYTES_MAX}`;
    throw new LedgeError('model-invalid', `Cannot read the manifest ${file}: ${state}`, {
      context: { file, bytes: found.size },
    });
  }
  return parseManifest(await readFile(file, 'utf8'), file);
}

async function hashFile(file: string, model: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  } catch (cause) {
    const message = `Cannot load model "${model}": ${file} cannot be read`;
    throw new LedgeError('not-found', message, { cause, context: { model, file } });
  }
  return hash.digest('hex');
}

/** Inspects the file with the bounded reader: only what has no problem goes on to the runtime. */
async function admit(file: string, model: string, which = ''): Promise<OnnxSummary> {
  const { summary, problems } = await inspectModel(file);
  const told = problems
    .slice(0, PROBLEMS_TOLD_MAX)
    .map((problem) => `${problem.where}: ${problem.message}`)
    .join('; ');
  if (summary === undefined) {
    throw invalid(model, told === '' ? `${file} is not an ONNX model` : which + told, file);
  }
  if (problems.length > 0) {
    throw new LedgeError('model-refused', `Cannot load model "${model}": ${which}${told}`, {
      context: { model, file, problems },
    });
  }
  return summary;
}

/** The manifest may fix a dimension that is free in the file, and not the other way round. */
function compareTensors(
  model: string,
  role: 'input' | 'output',
  stated: readonly NamedTensorSpec[],
  actual: readonly NamedTensorSpec[],
): void {
  for (const tensor of stated) {
    const found = actual.find((one) => one.name === tensor.name);
    const place = `${role} "${tensor.name}"`;
    if (found === undefined) {
      const names = actual.map((one) => `"${one.name}"`).join(', ');
      throw invalid(model, `the manifest names ${place}, the file has ${names}`);
    }
    if (found.type !== tensor.type) {
      throw invalid(model, `${place} has type ${tensor.type}, the file says ${found.type}`);
    }
    const freed = tensor.shape.some((size, axis) => size === FREE && found.shape[axis] !== FREE);
    if (freed || !shapeFits(tensor.shape, found.shape)) {
      const shapes = `${formatShape(tensor.shape)}, the file says ${formatShape(found.shape)}`;
      throw invalid(model, `${place} has shape ${shapes}`);
    }
  }
  const unnamed = actual.find((one) => !stated.some((tensor) => tensor.name === one.name));
  if (unnamed !== undefined) {
    throw invalid(model, `${role} "${unnamed.name}" of the file is missing in the manifest`);
  }
}

/** Whatever rung runs, the flow gives and gets the same, down to which dimensions are free. */
function sameEnds(rung: LoadedRung, first: LoadedRung, field: string): LoadedRung {
  for (const ends of ['inputs', 'outputs'] as const) {
    const told = (specs: readonly NamedTensorSpec[]) =>
      specs.map(({ name, type, shape }) => `"${name}" ${type}${formatShape(shape)}`).sort();
    const own = told(rung.summary[ends]).join(', ');
    const wanted = told(first.summary[ends]).join(', ');
    if (own === wanted) continue;
    const state = `${field}file of ${MANIFEST_FILE}: ${rung.file} has the ${ends} ${own}`;
    throw invalid(rung.identity.name, `${state}, the first rung has ${wanted}`, rung.file);
  }
  return rung;
}

/** `model.onnx` says nothing: its folder's name does. */
function bareName(file: string): string {
  const name = basename(file, '.onnx');
  return name === 'model' ? basename(dirname(file)) : name;
}

async function statOf(path: string) {
  return stat(path).catch(() => undefined);
}

function missing(path: string): LedgeError {
  return new LedgeError('not-found', `Cannot load model: ${path} does not exist`, {
    context: { path },
  });
}

function invalid(model: string, state: string, file?: string): LedgeError {
  return new LedgeError('model-invalid', `Cannot load model "${model}": ${state}`, {
    context: { model, ...(file === undefined ? {} : { file }) },
  });
}
