import type { Activations } from './memory.ts';
import type { Peaks } from './peaks.ts';
import type { NodeTiming, Spread } from './timing.ts';
import type { Verdict } from './verdict.ts';

/**
 * What keeps a node from being faster: its arithmetic, its bytes, its kernel, which does neither as
 * fast as the machine can, or that it has to be called at all.
 */
export type Bound = 'compute' | 'memory' | 'kernel' | 'overhead';

/** What was done, how fast, and how near that is to what the machine can do. */
export interface Rate {
  readonly operations: number;
  readonly bytes: number;
  readonly weightBytes: number;
  readonly gflops: number;
  readonly gigabytesPerSecond: number;
}

/** One node as it ran. */
export interface NodeProfile extends NodeTiming, Rate {
  /** The name in the file; for one that the runtime put in, its name there. */
  readonly name: string;
  /** The operator that ran. */
  readonly operator: string;
  /** Names of the file's nodes whose work it does; none where the runtime put it in. */
  readonly from: readonly string[];
  /** The operators of those: `Conv+Relu`. */
  readonly does: string;
  /** Of the time of a run. */
  readonly share: number;
  readonly bound: Bound;
  /** How much of the time its roof would take: 1 is as fast as this machine can. */
  readonly roofShare: number;
  /** Whether its roof is that of 8-bit arithmetic. */
  readonly inBytes: boolean;
}

/** All nodes of one operator. */
export interface OperatorProfile extends Rate {
  readonly operator: string;
  readonly nodes: number;
  readonly calls: number;
  readonly ms: number;
  readonly share: number;
}

/** A weight or a value between nodes. */
export interface LargeTensor {
  readonly name: string;
  readonly kind: 'weight' | 'activation';
  readonly shape: readonly number[];
  readonly bytes: number;
}

export interface MemoryProfile {
  readonly weightBytes: number;
  readonly activations: Activations;
  /** What the runtime's own allocator held at the end of a run; some weights live there as well. */
  readonly arenaBytes: number;
  /** Resident memory above the bare runtime: after loading, after the runs, and at the highest point. */
  readonly loadedBytes: number;
  readonly residentBytes: number;
  readonly peakBytes: number;
  readonly largest: readonly LargeTensor[];
}

/** Where the time and the memory of a model go. */
export interface Profile {
  readonly model: string;
  readonly threads: number;
  readonly samples: { readonly kind: 'made' | 'recorded'; readonly count: number };
  readonly loadMs: number;
  /** A whole run as the node does it, without the trace. */
  readonly run: Spread & { readonly runs: number };
  readonly tracedRuns: number;
  /** The nodes' times together, and the runtime's between them: shares are of the sum. */
  readonly nodesMs: number;
  readonly betweenMs: number;
  readonly betweenShare: number;
  readonly total: Rate;
  readonly operators: readonly OperatorProfile[];
  /** In the order in which they run. */
  readonly nodes: readonly NodeProfile[];
  readonly memory: MemoryProfile;
  readonly machine: Peaks;
  readonly verdict: Verdict;
}

/** What one step of a flow takes for an event. */
export interface StepProfile extends Spread {
  readonly step: number;
  readonly stage: string;
  readonly phase: string;
  /** Values that went through it, for each event. */
  readonly values: number;
  readonly share: number;
}

/** What the steps of a flow take, over its own test events. */
export interface FlowProfile {
  readonly flow: string;
  readonly events: number;
  /** All steps of one event together. */
  readonly eventMs: number;
  readonly steps: readonly StepProfile[];
}
