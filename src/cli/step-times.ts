import { basename } from 'node:path';
import type { FlowProfile, StepProfile } from '../compress/profile/profile.ts';
import { spreadOf } from '../compress/profile/timing.ts';
import { caseEvents } from '../flow/case.ts';
import { createPlan } from '../flow/plan.ts';
import { createMemoryState } from '../flow/state.ts';
import type { NodeConfig } from '../node/config.ts';
import { closeLoaded, type LoadedFlow } from '../node/flow-load.ts';
import { loadOrFail, openWorkbench } from './flow-folder.ts';

/** Rounds over all test events: enough for a middle, and no longer than one waits. */
const ROUNDS_MIN = 3;
const ROUNDS_MAX = 50;
const TIME_MS = 3000;

/** What the steps of a flow take for one event, over the flow's own test events. */
export async function timeSteps(
  folder: string,
  config: NodeConfig,
  signal: AbortSignal,
): Promise<FlowProfile> {
  await using workbench = await openWorkbench(config);
  const loaded = await loadOrFail(folder, workbench);
  // The first round loads, compiles and fills caches.
  const events = (await runRound(loaded, folder)).events;
  const rounds: Round[] = [];
  const end = performance.now() + TIME_MS;
  while (rounds.length < ROUNDS_MIN || (rounds.length < ROUNDS_MAX && performance.now() < end)) {
    signal.throwIfAborted();
    rounds.push(await runRound(loaded, folder));
  }
  const steps = loaded.parts.steps.map(({ stage, phase }, step) => {
    const spread = spreadOf(rounds.map((round) => (round.ms[step] ?? 0) / Math.max(1, events)));
    const values = (rounds[0]?.values[step] ?? 0) / Math.max(1, events);
    return { step, stage, phase, values, ...spread };
  });
  await closeLoaded(loaded);
  const eventMs = steps.reduce((sum, { ms }) => sum + ms, 0);
  const shared = steps.map(
    (step): StepProfile => ({ ...step, share: eventMs > 0 ? step.ms / eventMs : 0 }),
  );
  return { flow: basename(folder), events, eventMs, steps: shared };
}

/** What each step took for all events together, and how many values went through it. */
interface Round {
  readonly events: number;
  readonly ms: readonly number[];
  readonly values: readonly number[];
}

async function runRound({ parts }: LoadedFlow, folder: string): Promise<Round> {
  const ms = parts.steps.map(() => 0);
  const values = parts.steps.map(() => 0);
  let events = 0;
  for (const test of parts.tests) {
    const plan = createPlan(parts, createMemoryState());
    for await (const event of caseEvents(test, folder)) {
      events += 1;
      await plan.process(event, ({ step, tookMs }) => {
        ms[step] = (ms[step] ?? 0) + tookMs;
        values[step] = (values[step] ?? 0) + 1;
      });
    }
  }
  return { events, ms, values };
}
