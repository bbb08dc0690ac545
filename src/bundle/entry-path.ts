/** A path fills the name field of a tar header at most, so that no long-name extension is needed. */
export const PATH_BYTES_MAX = 100;
/** Folders within folders: samples/kind/part is three. */
const DEPTH_MAX = 8;
/** Letters of every file system; a first letter that is no dot, and a last that Windows keeps. */
const SEGMENT = /^[A-Za-z0-9_](?:[A-Za-z0-9 ._+=@,()-]*[A-Za-z0-9_+=@)-])?$/;
/** Names that are devices on Windows, with any ending. */
const DEVICE = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)/i;
/** A path is shown up to here. */
const TOLD_MAX = 120;

/** What is wrong with a path of a bundle, in words that follow it; undefined: nothing. */
export function entryPathProblem(path: string): string | undefined {
  if (path === '') return 'is empty';
  if (path.length > PATH_BYTES_MAX) {
    return `has ${path.length} characters, at most ${PATH_BYTES_MAX} fit`;
  }
  if (path.includes('\0')) return 'has a NUL';
  if (path.includes('\\')) return 'has a backslash';
  if (/^[A-Za-z]:/.test(path)) return 'begins with a drive';
  if (path.startsWith('/')) return 'is absolute';
  const segments = path.split('/');
  if (segments.length > DEPTH_MAX) return `is more than ${DEPTH_MAX} folders deep`;
  for (const segment of segments) {
    if (segment === '..') return 'leaves its folder';
    if (!SEGMENT.test(segment)) return `has the part ${tell(segment)}, which is no plain name`;
    if (DEVICE.test(segment)) return `has the part ${tell(segment)}, a device on Windows`;
  }
  return undefined;
}

/**
 * What is wrong with paths together: one twice, also where a file system does not tell case, or one
 * that is a file here and a folder there. Undefined: nothing.
 */
export function pathSetProblem(paths: readonly string[]): string | undefined {
  const files = new Map<string, string>();
  const folders = new Map<string, string>();
  for (const path of paths) {
    const before = files.get(path.toLowerCase());
    if (before !== undefined) return `${tell(before)} and ${tell(path)} are one file`;
    files.set(path.toLowerCase(), path);
    const segments = path.split('/');
    for (let depth = 1; depth < segments.length; depth += 1) {
      const folder = segments.slice(0, depth).join('/');
      const known = folders.get(folder.toLowerCase());
      if (known !== undefined && known !== folder) {
        return `${tell(known)} and ${tell(folder)} are one folder`;
      }
      folders.set(folder.toLowerCase(), folder);
    }
  }
  for (const [folder, written] of folders) {
    if (files.has(folder)) return `${tell(written)} is a file and a folder`;
  }
  return undefined;
}

/** A text from outside as a message shows it: quoted, escaped, cut. */
export function tell(text: string): string {
  return JSON.stringify(text.length > TOLD_MAX ? `${text.slice(0, TOLD_MAX)}...` : text);
}
