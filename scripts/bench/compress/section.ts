import type { Row } from '../row.ts';

/** What every section of the compression benchmark is given. */
export interface CompressBench {
  /** Everything that is made goes here; git does not see it. */
  readonly folder: string;
  /** The folder with the real models and recordings; undefined where it is not there. */
  readonly data: string | undefined;
  /** The root of a Debian trixie with the official tool. */
  readonly trixie: string;
  /** Rounds in which all models take turns, and those of the slowest peers. */
  readonly rounds: number;
  readonly slowRounds: number;
  readonly quick: boolean;
  /** Progress, for people. */
  say(text: string): void;
}

/** A table of the page, beside the rows that are judged. */
export interface Table {
  readonly title: string;
  /** How it was measured, in a sentence or two. */
  readonly how: string;
  readonly head: readonly string[];
  readonly lines: readonly (readonly string[])[];
}

export interface SectionResult {
  readonly rows: readonly Row[];
  readonly tables: readonly Table[];
}

export type CompressSection = (bench: CompressBench) => Promise<SectionResult>;

/** So many bytes, in megabytes as files are told. */
export function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
