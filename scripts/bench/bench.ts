import type { BenchModels } from './flows.ts';
import type { Row } from './row.ts';

/** What every section of the benchmark is given. */
export interface Bench {
  /** Everything that is written goes here; git does not see it. */
  readonly folder: string;
  readonly models: BenchModels;
  /** Every ratio is the median of so many interleaved measurements. */
  readonly rounds: number;
  /** One measurement of throughput, milliseconds; overload lasts `overloadMs`. */
  readonly measureMs: number;
  readonly overloadMs: number;
  /** The folder in which Node-RED is installed, and the root of a Debian with the Python peer. */
  readonly nodered: string;
  readonly trixie: string;
  /** Progress, for people. */
  say(text: string): void;
}

export type Section = (bench: Bench) => Promise<readonly Row[]>;
