import { findFlow, loadOrFail, openWorkbench } from '../../src/cli/flow-folder.ts';
import { type CaseReport, createEvent, runCase } from '../../src/flow/case.ts';
import { createPlan } from '../../src/flow/plan.ts';
import { createMemoryState } from '../../src/flow/state.ts';
import { configSchema } from '../../src/node/config.ts';
import { closeLoaded, type LoadedFlow } from '../../src/node/flow-load.ts';
import { packagePath } from '../../src/std/package.ts';

/** One of the default flows with its model opened, without a node around it. */
export interface OpenedFlow extends AsyncDisposable {
  /** What the flow publishes of one payload; a failed event throws. */
  process(payload: Uint8Array): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** Runs the flow's own tests. */
  cases(): Promise<readonly CaseReport[]>;
}

/** Opens flows/<name> of the package with one worker. */
export async function openFlow(name: string): Promise<OpenedFlow> {
  const config = configSchema.parse({ flows: packagePath('flows') });
  const workbench = await openWorkbench(config);
  const folder = await findFlow(name, config);
  const loaded: LoadedFlow = await loadOrFail(folder, workbench);
  const plan = createPlan(loaded.parts, createMemoryState());
  let count = 0;
  return {
    async process(payload) {
      count += 1;
      const event = createEvent({ device: 'test', topic: 'test', payload, ts: count * 1000 });
      const { results, end } = await plan.process(event);
      if (end.kind === 'fail') throw end.error;
      return results.map(({ result }) => result);
    },
    cases: () => Promise.all(loaded.parts.tests.map((one) => runCase(plan, one, folder))),
    async [Symbol.asyncDispose]() {
      await closeLoaded(loaded);
      await workbench[Symbol.asyncDispose]();
    },
  };
}
