import { LARGE_WEIGHT_BYTES } from '../infer/placement.ts';
import { LedgeError } from '../std/error.ts';
import type { PassReport } from './pass.ts';
import { formatsOf } from './precision.ts';

/** What a board allows a model; a board of devices/boards has these fields. */
export interface BoardLimits {
  readonly name: string;
  readonly title: string;
  readonly architecture: string;
  /** What all flows together may use. */
  readonly memoryBudgetBytes: number;
  readonly workers: number;
  readonly providers: readonly string[];
  /** Number formats, the fastest first. */
  readonly precision: readonly string[];
}

/** How a model stands to a board's limits. */
export interface BoardReport {
  readonly name: string;
  readonly title: string;
  readonly memoryBudgetBytes: number;
  /** Weights and arenas of every copy that the node would load there. */
  readonly needsBytes: number;
  readonly copies: number;
  readonly precision: readonly string[];
  /** The number formats of this model. */
  readonly formats: readonly string[];
  readonly providers: readonly string[];
  /** What was measured where. */
  readonly note: string;
}

export interface Measured {
  readonly weightBytes: number;
  readonly residentBytes: number;
  readonly peakBytes: number;
  readonly passes: readonly PassReport[];
}

/** Puts what was measured of a model beside a board's limits. */
export function boardReport(limits: BoardLimits, measured: Measured): BoardReport {
  const { name, title, memoryBudgetBytes, precision, providers } = limits;
  const { weightBytes, residentBytes, peakBytes, passes } = measured;
  // As the node places it: a small model on every worker, a large one once.
  const copies = weightBytes > LARGE_WEIGHT_BYTES ? 1 : limits.workers;
  const settled = Math.max(residentBytes, weightBytes);
  return {
    name,
    title,
    memoryBudgetBytes,
    needsBytes: Math.max(peakBytes, settled) + (copies - 1) * settled,
    copies,
    precision,
    formats: formatsOf(passes),
    providers,
    note:
      `The limits are those of ${title} (${limits.architecture}); times, memory and outputs were ` +
      `measured on this machine (${process.arch}) with the provider cpu, none of them on the board.`,
  };
}

/** Why a board does not take a model; undefined where it does. */
export function boardProblem(report: BoardReport): string | undefined {
  const foreign = report.formats.find((format) => !report.precision.includes(format));
  if (foreign !== undefined) {
    const { title, precision } = report;
    return `${foreign} is not one of the precisions of ${title}: ${precision.join(', ')}`;
  }
  if (report.needsBytes <= report.memoryBudgetBytes) return undefined;
  const copies = report.copies === 1 ? 'one copy needs' : `${report.copies} copies need`;
  return (
    `${copies} ${megabytes(report.needsBytes)} of weights and arena, ` +
    `${megabytes(report.memoryBudgetBytes)} is the memory that ${report.title} leaves to flows`
  );
}

/** Throws `unsupported` or `memory-exceeded` where a board does not take a model. */
export function refuseForBoard(report: BoardReport): void {
  const problem = boardProblem(report);
  if (problem === undefined) return;
  const code = report.needsBytes > report.memoryBudgetBytes ? 'memory-exceeded' : 'unsupported';
  const { name, needsBytes, memoryBudgetBytes, formats, precision } = report;
  throw new LedgeError(code, `Cannot use the model on ${name}: ${problem}`, {
    context: { board: name, needsBytes, memoryBudgetBytes, formats, precision },
  });
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
