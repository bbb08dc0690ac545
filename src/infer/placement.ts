import { LedgeError } from '../std/error.ts';
import type { Deployment } from './deployment.ts';
import { loadOn, rowBytes, unloadFrom } from './deployment.ts';
import type { WarmUp } from './protocol.ts';
import type { Thread } from './thread.ts';

/** A model with more weights lives once: copies would fill a small board's memory and caches. */
export const LARGE_WEIGHT_BYTES = 33_554_432;
/** A model that runs longer lives once with more cores: latency counts, and batches do not help. */
export const LARGE_RUN_MS = 50;
/** Batches of a model that are under way at most: one runs, one waits on its thread. */
const BATCHES_IN_FLIGHT = 2;

export interface PlacementOptions {
  readonly threads: readonly Thread[];
  /** Cores for one run of a large model. */
  readonly intraOpThreads: number;
  readonly memoryBytesMax: number;
  /** What the models placed before need. */
  memoryInUse(): number;
  nextId(): number;
}

/**
 * Loads a model where it belongs, warms it up and measures it: a large one on the emptiest thread,
 * a small one on all. Memory is the growth of the process's resident set over load and warm-up on
 * the first thread, at least the weights, for every copy, and the buffers of the batches in flight.
 * Throws LedgeError: model-invalid, memory-exceeded; nothing is left loaded then.
 */
export async function place(deployment: Deployment, options: PlacementOptions): Promise<void> {
  const { weightBytes } = deployment.model.summary;
  let large = weightBytes > LARGE_WEIGHT_BYTES;
  checkBudget(deployment, weightBytes, options);
  const [first, ...others] = emptiestFirst(options);
  if (first === undefined) throw new LedgeError('closed', 'Cannot load a model: no workers');
  try {
    if (large) useThreads(deployment, options.intraOpThreads);
    let warmUp = await loadOn(first, deployment, options.nextId());
    deployment.threads.add(first);
    if (!large && (warmUp.runMs ?? 0) > LARGE_RUN_MS) {
      large = true;
      if (options.intraOpThreads > 1) {
        await unloadFrom(first, deployment, options.nextId());
        useThreads(deployment, options.intraOpThreads);
        warmUp = await loadOn(first, deployment, options.nextId());
      }
    }
    const copies = large ? [] : others;
    takeMeasures(deployment, warmUp, 1 + copies.length);
    checkBudget(deployment, deployment.memoryBytes, options);
    await Promise.all(
      copies.map(async (thread) => {
        await loadOn(thread, deployment, options.nextId());
        deployment.threads.add(thread);
      }),
    );
  } catch (error) {
    await displace(deployment, options);
    throw error;
  }
}

/** Unloads a model from every thread that has it. */
export async function displace(
  deployment: Deployment,
  { nextId }: Pick<PlacementOptions, 'nextId'>,
): Promise<void> {
  const threads = [...deployment.threads];
  deployment.threads.clear();
  deployment.memoryBytes = 0;
  await Promise.all(threads.map((thread) => unloadFrom(thread, deployment, nextId())));
}

/** Threads in the order in which they take a model: those that wait for nothing first. */
function emptiestFirst({ threads }: PlacementOptions): readonly Thread[] {
  return [...threads].sort((one, other) => one.inFlight - other.inFlight);
}

function useThreads(deployment: Deployment, intraOpThreads: number): void {
  deployment.plan = { ...deployment.plan, intraOpThreads };
}

function takeMeasures(deployment: Deployment, warmUp: WarmUp, copies: number): void {
  const { model, plan } = deployment;
  deployment.rowsFree = warmUp.rowsIndependent;
  deployment.rowMs = warmUp.runMs;
  deployment.provider = warmUp.provider;
  const rows = warmUp.rowsIndependent ? plan.batchRowsMax : 1;
  const buffers = BATCHES_IN_FLIGHT * rows * rowBytes(model);
  const modelBytes = Math.max(warmUp.residentBytes, model.summary.weightBytes);
  deployment.memoryBytes = copies * (modelBytes + buffers);
}

function checkBudget(deployment: Deployment, needs: number, options: PlacementOptions): void {
  const inUse = options.memoryInUse();
  if (inUse + needs <= options.memoryBytesMax) return;
  const figures = { needsBytes: needs, inUseBytes: inUse, budgetBytes: options.memoryBytesMax };
  const { rung } = deployment.model.identity;
  const which = rung === undefined ? 'it' : `rung "${rung}"`;
  const state = `${which} needs ${megabytes(needs)}, ${megabytes(inUse)} of ${megabytes(
    options.memoryBytesMax,
  )} are in use`;
  throw new LedgeError('memory-exceeded', `Cannot load model "${deployment.name}": ${state}`, {
    context: { model: deployment.name, ...figures },
  });
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MiB`;
}
