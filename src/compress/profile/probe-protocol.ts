import type { SampleFile } from '../sample-file.ts';
import type { TraceOverhead } from './overhead.ts';
import type { Peaks } from './peaks.ts';

/** What the measuring process is told, in a file. */
export interface ProfileRequest {
  readonly file: string;
  /** Where it writes what it needs and what it found. */
  readonly folder: string;
  readonly samples: readonly SampleFile[];
  readonly threads: number;
  readonly runsMax: number;
  /** Whether there are to be exactly so many runs, however long they take. */
  readonly exact: boolean;
  readonly weightBytes: number;
  /** What the machine can do, where that is known. */
  readonly peaks?: Peaks;
}

/** What it answers. */
export interface ProfileAnswer {
  readonly loadMs: number;
  /** Resident memory above what stood before: after loading, after the runs, and the most. */
  readonly loadedBytes: number;
  readonly residentBytes: number;
  readonly peakBytes: number;
  /** Whole runs without the trace. */
  readonly runMs: readonly number[];
  readonly traceFile: string;
  readonly warmUpRuns: number;
  /** The model as the runtime runs it. */
  readonly optimisedFile: string;
  readonly overhead: TraceOverhead;
  readonly peaks: Peaks;
}
