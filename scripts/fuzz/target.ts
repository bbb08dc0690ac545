import type { Random } from './random.ts';

/** Inputs between two words of a child to its parent, which must get a turn to be sent. */
export const BLOCK = 250;
/** Blocks between two samples of the memory, each behind a collection of garbage. */
export const SAMPLE_BLOCKS = 8;

/** What is fuzzed inside a process of its own: inputs made of a seed, and what must hold for each. */
export interface Target {
  input(random: Random): Uint8Array;
  /** Throws what the parser must never throw, and where a property does not hold. */
  check(bytes: Uint8Array): Promise<void>;
}

/** A target by its name, prepared. */
export type OpenTarget = () => Promise<Target>;

/** What one input did that it must not do. */
export interface Finding {
  readonly kind: 'error' | 'hang' | 'crash' | 'growth';
  /** Its number: `--from` with it tries it again. */
  readonly input: number;
  readonly message: string;
  readonly base64?: string;
}

/** How a run went. */
export interface FuzzReport {
  readonly target: string;
  readonly seed: number;
  readonly inputs: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly findings: readonly Finding[];
  /** Milliseconds of the input that took longest, and which it was. */
  readonly slowest: { readonly ms: number; readonly input: number };
  readonly memory: MemoryReport;
}

export interface MemoryReport {
  readonly firstBytes: number;
  readonly lastBytes: number;
  /** Of a line through the samples behind the first quarter. */
  readonly slopeBytesPerInput: number;
}

/** The least-squares slope of the samples behind the first quarter: what grows goes on growing. */
export function memoryReport(
  samples: readonly (readonly [input: number, bytes: number])[],
): MemoryReport {
  const kept = samples.slice(Math.floor(samples.length / 4));
  const mean = (at: 0 | 1) => kept.reduce((sum, sample) => sum + sample[at], 0) / kept.length;
  const [x, y] = [mean(0), mean(1)];
  const over = kept.reduce((sum, sample) => sum + (sample[0] - x) * (sample[1] - y), 0);
  const under = kept.reduce((sum, sample) => sum + (sample[0] - x) ** 2, 0);
  return {
    firstBytes: samples[0]?.[1] ?? 0,
    lastBytes: samples.at(-1)?.[1] ?? 0,
    slopeBytesPerInput: under === 0 ? 0 : over / under,
  };
}
