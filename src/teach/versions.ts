import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Manifest, parseManifest, rungsOf } from '../models/manifest.ts';
import { MANIFEST_FILE } from '../models/store.ts';
import { LedgeError } from '../std/error.ts';
import { type Background, parseBackground } from './background.ts';
import { LESSON_BYTES_MAX, type Lesson, parseLesson } from './lesson.ts';

/** The folder of a flow in which versions and backgrounds are kept. */
export const TEACH_FOLDER = 'teach';
/** Taught versions that are kept, beside the model as it came: each holds a copy of its weights. */
export const VERSIONS_MAX = 8;

/** What a flow's model was taught, as its folder has it. */
export interface TaughtState {
  /** The manifest as it came, before anything was taught. */
  readonly base: Manifest;
  readonly baseText: string;
  /** 0 where the model is as it came. */
  readonly current: number;
  /** All that can be gone back to, ascending, 0 among them. */
  readonly versions: readonly number[];
  /** Of the current version. */
  readonly lesson: Lesson | undefined;
  /** A number that no version had. */
  readonly next: number;
}

/** A version to be written: files first, the manifest last. */
export interface NewVersion {
  readonly manifest: string;
  readonly lesson: Lesson;
  readonly baseText: string;
  readonly models: ReadonlyMap<string, Uint8Array>;
}

/**
 * Reads what a folder's model was taught. A model that was replaced by hand since begins anew: what
 * was taught to the old one does not fit it. Throws `not-found`, `model-invalid`.
 */
export async function readTaught(folder: string): Promise<TaughtState> {
  const text = await readText(join(folder, MANIFEST_FILE));
  const manifest = parseManifest(text, join(folder, MANIFEST_FILE));
  const kept = await keptVersions(folder);
  const next = Math.max(0, ...kept) + 1;
  const current = manifest.taught ?? 0;
  if (current === 0) {
    const first = kept.includes(0) ? await readText(versionFile(folder, 0)) : text;
    // Another model than the one that was taught: its versions are none of this one.
    const versions = first === text ? [...new Set([0, ...kept])] : [0];
    return { base: manifest, baseText: text, current, versions, lesson: undefined, next };
  }
  const baseText = await readText(versionFile(folder, 0));
  const base = parseManifest(baseText, versionFile(folder, 0));
  const lessonPath = lessonFile(folder, current);
  const lesson = parseLesson(await readText(lessonPath), lessonPath);
  return { base, baseText, current, versions: kept, lesson, next };
}

/**
 * Writes a version and makes it the current one; a crash leaves the version before it in force. The
 * oldest over the limit go. Throws `data-unwritable`.
 */
export async function writeVersion(folder: string, version: NewVersion): Promise<void> {
  const number = version.lesson.version;
  try {
    await mkdir(join(folder, TEACH_FOLDER), { recursive: true });
    for (const [name, bytes] of version.models) await writeFile(join(folder, name), bytes);
    await writeFile(lessonFile(folder, number), `${JSON.stringify(version.lesson)}\n`);
    await writeFile(versionFile(folder, 0), version.baseText);
    await writeFile(versionFile(folder, number), version.manifest);
    await writeFile(join(folder, MANIFEST_FILE), version.manifest);
    await removeOld(folder, number);
  } catch (cause) {
    throw unwritable(folder, cause);
  }
}

/** Makes an earlier version the current one again. Throws `not-found`, `data-unwritable`. */
export async function goBack(folder: string, version: number): Promise<void> {
  const { versions } = await readTaught(folder);
  if (!versions.includes(version)) {
    const known = versions.join(', ');
    const state = `there is no version ${version}, only ${known}`;
    throw new LedgeError('not-found', `Cannot go back in ${folder}: ${state}`);
  }
  if (version === 0 && (await keptVersions(folder)).length === 0) return;
  const text = await readText(versionFile(folder, version));
  await writeFile(join(folder, MANIFEST_FILE), text).catch((cause: unknown) => {
    throw unwritable(folder, cause);
  });
}

/** The background of a model, by its SHA-256, where the flow has one. Throws `model-invalid`. */
export async function readBackground(
  folder: string,
  sha256: string,
): Promise<Background | undefined> {
  const path = backgroundFile(folder, sha256);
  const text = await readText(path).catch((error: LedgeError) => {
    if (error.code === 'not-found') return undefined;
    throw error;
  });
  return text === undefined ? undefined : parseBackground(text, path);
}

/** Writes the background of a model. Throws `data-unwritable`. */
export async function writeBackground(folder: string, background: Background): Promise<void> {
  try {
    await mkdir(join(folder, TEACH_FOLDER), { recursive: true });
    const path = backgroundFile(folder, background.model);
    await writeFile(path, `${JSON.stringify(background)}\n`);
  } catch (cause) {
    throw unwritable(folder, cause);
  }
}

async function keptVersions(folder: string): Promise<number[]> {
  const names = await readdir(join(folder, TEACH_FOLDER)).catch(() => []);
  return names
    .flatMap((name) => /^(\d{1,6})\.yaml$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

async function removeOld(folder: string, current: number): Promise<void> {
  const taught = (await keptVersions(folder)).filter((one) => one !== 0 && one !== current);
  for (const version of taught.slice(0, Math.max(0, taught.length - VERSIONS_MAX + 1))) {
    const manifest = parseManifest(
      await readText(versionFile(folder, version)),
      versionFile(folder, version),
    );
    await rm(versionFile(folder, version));
    await rm(lessonFile(folder, version), { force: true });
    for (const { file } of rungsOf(manifest)) await rm(join(folder, file), { force: true });
  }
}

function versionFile(folder: string, version: number): string {
  return join(folder, TEACH_FOLDER, `${version}.yaml`);
}

function lessonFile(folder: string, version: number): string {
  return join(folder, TEACH_FOLDER, `${version}.json`);
}

/** Twelve digits tell a folder's models apart; the file itself holds the whole. */
function backgroundFile(folder: string, sha256: string): string {
  return join(folder, TEACH_FOLDER, `background-${sha256.slice(0, 12)}.json`);
}

async function readText(path: string): Promise<string> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new LedgeError('not-found', `Cannot read ${path}: it is not there`, { cause });
  });
  if (found.size > LESSON_BYTES_MAX) {
    const state = `${found.size} bytes, at most ${LESSON_BYTES_MAX}`;
    throw new LedgeError('model-invalid', `Cannot read ${path}: ${state}`);
  }
  return readFile(path, 'utf8');
}

/** Whole or not at all, and on the disk. */
async function writeFile(path: string, content: string | Uint8Array): Promise<void> {
  const partial = `${path}.partial`;
  {
    await using file = await open(partial, 'w');
    await file.writeFile(content);
    await file.sync();
  }
  await rename(partial, path);
}

function unwritable(folder: string, cause: unknown): LedgeError {
  const state = cause instanceof Error ? cause.message : String(cause);
  return new LedgeError('data-unwritable', `Cannot write to ${folder}: ${state}`, { cause });
}
