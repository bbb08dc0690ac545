import { LedgeError } from '../std/error.ts';
import { nearest } from '../std/nearest.ts';
import {
  type Parsed,
  type Path,
  type Problem,
  problemAt,
  problemsOf,
  type YamlFile,
} from '../std/yaml.ts';
import type { PlanStep } from './lane.ts';
import type { PlanParts } from './plan.ts';
import type { FlowFile } from './schema.ts';
import { FieldError, type Stage, type StageContext } from './stage.ts';
import { formatType, type ValueType } from './value.ts';

/** The stage kinds a node knows, by name. */
export type Registry = ReadonlyMap<string, Stage>;

/** Keys of a step that are no stage: how it takes and stores its value. */
const STEP_KEYS = new Set(['as', 'from']);

export interface CompileOptions {
  readonly name: string;
  /** The flow's folder, absolute. */
  readonly folder: string;
  readonly stages: Registry;
  readonly inFlightMax: number;
  /** Steps of the source, put before the flow's own where these do not begin with a decoder. */
  readonly decode: readonly Readonly<Record<string, unknown>>[];
}

/** One step as written, with its stage and configuration parsed. */
interface StepDraft {
  readonly path: Path | undefined;
  readonly stage: Stage;
  readonly config: unknown;
  readonly from: string | undefined;
  readonly as: string | undefined;
}

/**
 * Checks every step against the type of what comes before it. All problems of the steps'
 * configuration are told at once; after the first step whose types do not fit, or whose model cannot
 * run, types are unknown and the check ends there. What was opened on the way is closed again.
 */
export async function compileFlow(
  flow: FlowFile,
  source: YamlFile,
  options: CompileOptions,
): Promise<Parsed<PlanParts>> {
  const drafts = parseSteps(flow, source, options);
  if (drafts.kind === 'problems') return drafts;
  const steps: PlanStep[] = [];
  const fail = async (problem: Problem) => {
    for (const { compiled } of steps.reverse()) await compiled.close?.();
    return { kind: 'problems' as const, problems: [problem] };
  };
  const named = new Map<string, ValueType>();
  let type: ValueType = { kind: 'bytes' };
  for (const draft of drafts.value) {
    const input = draft.from === undefined ? type : named.get(draft.from);
    const path = draft.path ?? ['source'];
    if (input === undefined) {
      return fail(problemAt(source, [...path, 'from'], nameExpectation(named)));
    }
    const context: StageContext = {
      input,
      named: (name) => named.get(name),
      flow: options.name,
      folder: options.folder,
      priority: flow.priority,
    };
    const step = await compileStep(draft, context, source);
    if (step.kind === 'problems') return fail(step.problems[0] as Problem);
    steps.push(step.value);
    type = step.value.compiled.output;
    if (draft.as !== undefined) named.set(draft.as, type);
  }
  if (type.kind !== 'result') {
    const last = ['steps', flow.steps.length - 1];
    const expected = `the last step to give a result, not ${formatType(type)}`;
    return fail({ ...problemAt(source, last, expected), value: undefined });
  }
  const { description, priority, devicesMax, sink, tests } = flow;
  const output = { of: type.of, labels: type.labels };
  const { name, inFlightMax } = options;
  const parts = {
    name,
    description,
    priority,
    devicesMax,
    inFlightMax,
    steps,
    output,
    sink,
    tests,
  };
  return { kind: 'ok', value: parts };
}

/** The problems of the steps' own configuration, types aside; opens nothing. */
export function checkSteps(flow: FlowFile, source: YamlFile, stages: Registry): readonly Problem[] {
  const parsed = parseSteps(flow, source, { stages, decode: [] });
  return parsed.kind === 'ok' ? [] : parsed.problems;
}

async function compileStep(
  draft: StepDraft,
  context: StageContext,
  source: YamlFile,
): Promise<Parsed<PlanStep>> {
  const { stage, from, as } = draft;
  try {
    const compiled = await stage.create(draft.config, context);
    const count = { calls: 0, totalMs: 0 };
    const step = { stage: stage.kind, phase: stage.phase, compiled, from, as, count };
    return { kind: 'ok', value: step };
  } catch (error) {
    const place = draft.path === undefined ? undefined : [...draft.path, stage.kind];
    if (error instanceof LedgeError) {
      const expected = `a step that can run here. ${error.message}`;
      return { kind: 'problems', problems: [problemAt(source, place ?? ['source'], expected)] };
    }
    if (!(error instanceof FieldError)) throw error;
    const fields = error.field === '' ? [] : error.field.split('.');
    const path = place === undefined ? ['source'] : [...place, ...fields];
    const problem = problemAt(source, path, error.expected);
    const value = JSON.stringify(error.value)?.slice(0, 120);
    return { kind: 'problems', problems: [{ ...problem, value: value ?? problem.value }] };
  }
}

function parseSteps(
  flow: FlowFile,
  source: YamlFile,
  options: Pick<CompileOptions, 'stages' | 'decode'>,
): Parsed<StepDraft[]> {
  const problems: Problem[] = [];
  const drafts: StepDraft[] = [];
  const add = (raw: Readonly<Record<string, unknown>>, path: Path | undefined) => {
    const draft = parseStep(raw, path, source, options.stages);
    if (draft.kind === 'ok') drafts.push(draft.value);
    else problems.push(...draft.problems);
  };
  flow.steps.forEach((raw, index) => {
    add(raw, ['steps', index]);
  });
  if (problems.length > 0) return { kind: 'problems', problems };
  if (drafts[0]?.stage.phase !== 'decode') {
    const own = drafts.splice(0);
    for (const raw of options.decode) add(raw, undefined);
    drafts.push(...own);
  }
  if (problems.length > 0) return { kind: 'problems', problems };
  return { kind: 'ok', value: drafts };
}

function parseStep(
  raw: Readonly<Record<string, unknown>>,
  path: Path | undefined,
  source: YamlFile,
  stages: Registry,
): Parsed<StepDraft> {
  const at = path ?? ['source', 'device'];
  const problem = (field: Path, expected: string): Parsed<StepDraft> => ({
    kind: 'problems',
    problems: [problemAt(source, field, expected)],
  });
  const kinds = Object.keys(raw).filter((key) => !STEP_KEYS.has(key));
  const kind = kinds[0];
  if (kind === undefined || kinds.length > 1) {
    return problem(at, `one stage, beside "as" and "from", found ${kinds.join(', ') || 'none'}`);
  }
  const stage = stages.get(kind);
  if (stage === undefined) {
    const near = nearest(kind, [...stages.keys()]);
    return problem(
      [...at, kind],
      `a stage${near === undefined ? '' : `; did you mean "${near}"?`}`,
    );
  }
  for (const key of STEP_KEYS) {
    if (raw[key] !== undefined && typeof raw[key] !== 'string')
      return problem([...at, key], 'a name');
  }
  const config = stage.schema.safeParse(raw[kind] ?? {}, { reportInput: true });
  if (!config.success) {
    return { kind: 'problems', problems: problemsOf(config.error, source, [...at, kind]) };
  }
  const [from, as] = [raw.from, raw.as] as (string | undefined)[];
  return { kind: 'ok', value: { path, stage, config: config.data, from, as } };
}

function nameExpectation(named: ReadonlyMap<string, ValueType>): string {
  const names = [...named.keys()].join(', ');
  return names === '' ? 'a name stored with "as" by an earlier step' : `one of ${names}`;
}
