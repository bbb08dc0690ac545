/** How often a fact is looked at again. */
const LOOK_MS = 20;

export interface Patience {
  /** For how long the fact is waited for. */
  readonly ms: number;
  readonly signal?: AbortSignal;
}

/** Waits until a fact holds; false where it did not within the time. */
export async function until(
  fact: () => boolean | Promise<boolean>,
  { ms, signal }: Patience,
): Promise<boolean> {
  const end = performance.now() + ms;
  while (!(await fact())) {
    if (performance.now() > end || signal?.aborted === true) return false;
    await pause(LOOK_MS);
  }
  return true;
}

/** Lets time pass: faults happen at moments, which is what the harness is about. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
