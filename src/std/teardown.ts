/** Steps to undo, run in reverse order, each whatever became of the one before. */
export interface Teardown {
  add(name: string, step: () => PromiseLike<void> | void): void;
  /** Runs every step once; fails with an AggregateError of what failed. Idempotent. */
  run(): Promise<void>;
}

/** Collects how to close what was opened. */
export function createTeardown(): Teardown {
  const steps: { name: string; step: () => PromiseLike<void> | void }[] = [];
  let running: Promise<void> | undefined;

  async function runAll(): Promise<void> {
    const failures: unknown[] = [];
    for (const { name, step } of steps.reverse()) {
      try {
        await step();
      } catch (error) {
        failures.push(new Error(`Closing ${name} failed`, { cause: error }));
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'Not everything closed');
  }

  return {
    add(name, step) {
      steps.push({ name, step });
    },
    run() {
      running ??= runAll();
      return running;
    },
  };
}
