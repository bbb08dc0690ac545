import type { StepLadder } from '../flow/ladder.ts';
import type { Plan } from '../flow/plan.ts';
import type { ModelIdentity } from '../flow/stage.ts';
import { formatProblem, type Problem } from '../std/yaml.ts';
import { resultPattern } from './flow-clash.ts';
import type { LoadedFlow } from './flow-load.ts';

export type FlowState = 'running' | 'disabled' | 'failed';

/** A flow as lists show it. */
export interface FlowStatus {
  readonly name: string;
  readonly state: FlowState;
  readonly description: string;
  readonly in: string | undefined;
  readonly out: string | undefined;
  readonly model: ModelIdentity | undefined;
  /** Why it is not running, or why the last reload was refused. */
  readonly problems: readonly string[];
  /** Of its models that have one; left out where none has. */
  readonly ladders?: readonly LadderStatus[];
}

/** Which rung of a model is at work, and why. */
export interface LadderStatus {
  readonly model: string;
  readonly rung: string | undefined;
  readonly precision: string;
  /** All of them, the most accurate first. */
  readonly rungs: readonly (string | undefined)[];
  /** The one that it started with, and goes back to. */
  readonly best: string | undefined;
  readonly why: string;
  /** The figures behind it; left out where there are none. */
  readonly detail?: string;
  /** Milliseconds since 1970. */
  readonly since: number;
  /** How often it changed. */
  readonly steps: number;
  readonly stepping: StepLadder['stepping'];
  /** Why the last change was not made. */
  readonly refused?: string;
}

/** What is known of one flow of a node. */
export interface KnownFlow {
  readonly name: string;
  readonly state: FlowState;
  readonly loaded: LoadedFlow | undefined;
  readonly runner: { readonly plan: Plan } | undefined;
  readonly problems: readonly Problem[];
}

/** A flow's entry in the lists. */
export function flowStatus(
  { name, state, loaded, runner, problems }: KnownFlow,
  base: string,
): FlowStatus {
  return {
    name,
    state,
    description: loaded?.file.description ?? '',
    in: loaded?.intake.pattern.pattern,
    out: loaded === undefined ? undefined : resultPattern(loaded, base),
    model: runner?.plan.model,
    problems: problems.map(formatProblem),
    ...(runner && laddersOf(runner.plan)),
  };
}

/** The field `ladders` of a flow at work; nothing where none of its models has a ladder. */
export function laddersOf({ steps }: Plan): Pick<FlowStatus, 'ladders'> {
  const ladders = steps.flatMap(({ compiled }) => compiled.ladder ?? []);
  return ladders.length === 0 ? {} : { ladders: ladders.map(ladderStatus) };
}

function ladderStatus({ rungs, stepping }: StepLadder): LadderStatus {
  const { models, at, best, why, since, steps, refused } = rungs;
  const now = models[at] as ModelIdentity;
  return {
    model: now.name,
    rung: now.rung,
    precision: now.precision,
    rungs: models.map(({ rung }) => rung),
    best: models[best]?.rung,
    why: why.cause,
    ...(why.detail !== '' && { detail: why.detail }),
    ...{ since, steps, stepping },
    ...(refused !== undefined && { refused }),
  };
}
