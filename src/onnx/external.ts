import { realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, sep } from 'node:path';
import { tensorBytes } from './graph.ts';
import type { ModelProblem } from './inspect.ts';
import type { TensorRecord } from './proto.ts';

/** Digits of an offset or length that is still exact as a number. */
const DIGITS_MAX = 15;

/** Files beside a model: one, or one for each of its layers. Each is looked for on disk. */
const FILES_MAX = 1024;

/** What was found of a model's own files: each is looked for once, however many constants name it. */
export type FoundFiles = Map<string, Promise<Found>>;

/** Why a constant's numbers cannot be read from their own file, which lies in the model's folder. */
export async function checkExternal(
  tensor: TensorRecord,
  folder: string | undefined,
  files: FoundFiles,
): Promise<ModelProblem[]> {
  const problem = (message: string) => [{ where: tensor.name ?? '', message }];
  const field = (key: string) => tensor.externalData.find((entry) => entry.key === key)?.value;
  const keys = tensor.externalData.map(({ key }) => key);
  if (new Set(keys).size < keys.length) return problem('its external data names a field twice');
  const location = field('location');
  if (location === undefined || location === '') return problem('its external data has no file');
  if (folder === undefined) {
    return problem(`its data is in "${location}", and the model was given without its folder`);
  }
  if (files.size >= FILES_MAX && !files.has(location)) {
    return problem(`its data is in one of over ${FILES_MAX} files`);
  }
  const looking = files.get(location) ?? findInside(folder, location);
  files.set(location, looking);
  const found = await looking;
  if (found.kind === 'refused') return problem(`its data file "${location}" ${found.reason}`);
  const offset = wholeNumber(field('offset') ?? '0');
  const bytes = tensorBytes(tensor);
  const length = wholeNumber(field('length') ?? String(bytes));
  if (offset === undefined || length === undefined || bytes === undefined) {
    return problem('its external data has an offset or length that is no whole number');
  }
  if (length !== bytes) return problem(`${length} bytes of external data for ${bytes}`);
  if (offset + length > found.bytes) {
    const needed = offset + length;
    return problem(`its data file "${location}" has ${found.bytes} bytes, ${needed} are needed`);
  }
  return [];
}

type Found =
  | { readonly kind: 'file'; readonly bytes: number }
  | { readonly kind: 'refused'; readonly reason: string };

/** Links are followed first: what counts is where the file really lies. */
async function findInside(folder: string, location: string): Promise<Found> {
  const outside: Found = { kind: 'refused', reason: "is outside the model's folder" };
  if (isAbsolute(location) || /[\\\0]|^[A-Za-z]:/.test(location)) return outside;
  if (location.split('/').includes('..')) return outside;
  try {
    const path = await realpath(join(folder, location));
    const inside = relative(await realpath(folder), path);
    if (inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside)) return outside;
    const state = await stat(path);
    if (!state.isFile()) return { kind: 'refused', reason: 'is no file' };
    return { kind: 'file', bytes: state.size };
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    return { kind: 'refused', reason: `cannot be read (${reason})` };
  }
}

function wholeNumber(text: string): number | undefined {
  return /^\d+$/.test(text) && text.length <= DIGITS_MAX ? Number(text) : undefined;
}
