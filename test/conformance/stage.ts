import { describe, expect, test } from 'vitest';
import type { Outcome, Stage, Step } from '../../src/flow/stage.ts';
import { FieldError } from '../../src/flow/stage.ts';
import type { TensorType, Value, ValueType } from '../../src/flow/value.ts';
import { formatType } from '../../src/flow/value.ts';
import { z } from '../../src/std/schema.ts';
import { arrayOf, elementCount, shapeFits, type Tensor } from '../../src/tensor/tensor.ts';
import {
  compileStage,
  runStage,
  runStep,
  type StageUse,
  stageEvent,
  valuesOf,
} from '../harness/run-stage.ts';

/** One way to use a stage, with values that it takes one after the other without an error. */
export interface StageCase extends StageUse {
  readonly title: string;
  readonly values: readonly Value[];
}

export interface StageSuite {
  readonly stage: Stage;
  /** At least one; together they should give every kind of outcome. */
  readonly cases: readonly StageCase[];
  /** Input types that `create` refuses with the first case's configuration; may be empty. */
  readonly wrongInputs: readonly ValueType[];
}

/** What every stage promises, whatever it does. Run once by the test file of each stage. */
export function describeStage({ stage, cases, wrongInputs }: StageSuite): void {
  describe(`the stage ${stage.kind} keeps the promises of every stage`, () => {
    describeSchema(stage, cases[0]!);
    test.each(wrongInputs.map((input) => ({ input, of: formatType(input) })))(
      'create refuses an input of $of',
      async ({ input }) => {
        await expect(compileStage(stage, { ...cases[0]!, input })).rejects.toBeInstanceOf(
          FieldError,
        );
      },
    );
    for (const use of cases) describe(use.title, () => describeCase(stage, use));
  });
}

function describeSchema(stage: Stage, use: StageCase): void {
  test('its kind and summary can be printed', () => {
    expect(stage.kind).toMatch(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/);
    expect(stage.summary).toMatch(/^[A-Z].*\.$/);
  });
  test('every field of its configuration is described', () => {
    const undescribed = fieldsOf(
      z.toJSONSchema(stage.schema, { io: 'input', unrepresentable: 'any' }),
    )
      .filter(({ schema }) => typeof schema.description !== 'string')
      .map(({ path }) => path);
    expect(undescribed).toEqual([]);
  });
  test('an unknown key of its configuration is refused', () => {
    expect(stage.schema.safeParse(use.config).success).toBe(true);
    const parsed = stage.schema.safeParse({ ...use.config, noSuchKey: 1 });
    expect(parsed.success).toBe(false);
    expect(JSON.stringify(parsed.error?.issues)).toContain('noSuchKey');
  });
}

function describeCase(stage: Stage, use: StageCase): void {
  test('what it emits has the declared type', async () => {
    const { output } = await compileStage(stage, use);
    for (const outcome of await runStage(stage, use, use.values)) {
      for (const value of valuesOf(outcome)) expect(misfit(value, output)).toBeUndefined();
    }
  });
  test('the values it is given stay as they are', async () => {
    const before = structuredClone(use.values);
    await runStage(stage, use, use.values);
    expect(use.values).toEqual(before);
  });
  test('what it emitted stays as it was when later values come', async () => {
    const { step, given } = await openStep(stage, use);
    const emitted: { outcome: Outcome; copy: Outcome }[] = [];
    for (const [index, value] of [...use.values, ...use.values].entries()) {
      const outcome = await given(step, value, index);
      emitted.push({ outcome, copy: structuredClone(outcome) });
    }
    for (const { outcome, copy } of emitted) expect(outcome).toEqual(copy);
  });
  test('a shared step gives the same for the same value, whatever came before', async () => {
    const { step, scope, given } = await openStep(stage, use);
    if (scope !== 'shared') return;
    const fresh = await Promise.all(
      use.values.map(async (value, index) =>
        (await openStep(stage, use)).given(undefined, value, index),
      ),
    );
    for (const round of [0, 1]) {
      const outcomes: Outcome[] = [];
      for (const [index, value] of use.values.entries())
        outcomes.push(await given(step, value, index));
      expect(outcomes, `round ${round}`).toEqual(fresh);
    }
  });
  test('two opened steps of one device-scoped stage do not meet', async () => {
    const alone = await runStage(stage, use, use.values);
    const { compiled, given } = await openStep(stage, use);
    const [first, second] = [compiled.open(), compiled.open()];
    const outcomes: Outcome[] = [];
    for (const [index, value] of use.values.entries()) {
      outcomes.push(await given(first, value, index));
      await given(second, use.values.at(-1)!, index);
    }
    expect(outcomes).toEqual(alone);
  });
  test('a step restored from a snapshot, as JSON, goes on as the first would have', async () => {
    const alone = await runStage(stage, use, use.values);
    for (let cut = 0; cut <= use.values.length; cut++) {
      expect(await runInterrupted(stage, use, cut)).toEqual(alone.slice(cut));
    }
  });
  test('a snapshot that does not parse is refused and leaves a fresh step', async () => {
    const { step, given } = await openStep(stage, use);
    if (step.restore === undefined) return;
    for (const state of [null, 7, 'x', { nonsense: true }, [[[]]]]) {
      expect(() => step.restore?.(state), JSON.stringify(state)).toThrow();
    }
    const outcomes: Outcome[] = [];
    for (const [index, value] of use.values.entries())
      outcomes.push(await given(step, value, index));
    expect(outcomes).toEqual(await runStage(stage, use, use.values));
  });
}

/** The outcomes from `cut` on, of a second step that took the first one's snapshot at `cut`. */
async function runInterrupted(stage: Stage, use: StageCase, cut: number): Promise<Outcome[]> {
  const { compiled, step, given } = await openStep(stage, use);
  for (const [index, value] of use.values.slice(0, cut).entries()) await given(step, value, index);
  const state = step.snapshot?.();
  const next = state === undefined ? step : compiled.open();
  if (state !== undefined) next.restore?.(JSON.parse(JSON.stringify(state)));
  const outcomes: Outcome[] = [];
  for (let index = cut; index < use.values.length; index++) {
    outcomes.push(await given(next, use.values[index]!, index));
  }
  return outcomes;
}

async function openStep(stage: Stage, use: StageCase) {
  const compiled = await compileStage(stage, use);
  const opened = compiled.open();
  const given = (step: Step | undefined, value: Value, index: number): Promise<Outcome> =>
    runStep(step ?? opened, value, { use, event: stageEvent(use, index) });
  return { compiled, step: opened, scope: compiled.scope, given };
}

/** Why a value is not of a type; undefined where it is. */
export function misfit(value: Value, type: ValueType): string | undefined {
  if (value.kind !== type.kind) return `a ${value.kind} where ${formatType(type)} was declared`;
  if (value.kind === 'tensor') return tensorMisfit(value, type as TensorType);
  if (value.kind === 'fields' && type.kind === 'fields' && type.names !== undefined) {
    const names = Object.keys(value.fields);
    return names.join() === type.names.join() ? undefined : `fields ${names} for ${type.names}`;
  }
  if (value.kind === 'tensors' && type.kind === 'tensors') {
    for (const [name, spec] of Object.entries(type.tensors)) {
      const tensor = value.tensors[name];
      if (tensor === undefined) return `no tensor ${name}`;
      const problem = tensorMisfit(tensor, { kind: 'tensor', ...spec });
      if (problem !== undefined) return `${name}: ${problem}`;
    }
  }
  return undefined;
}

function tensorMisfit(tensor: Tensor, type: TensorType): string | undefined {
  if (tensor.type !== type.type) return `${tensor.type} where ${type.type} was declared`;
  if (!shapeFits(tensor.shape, type.shape)) return `[${tensor.shape}] for ${formatType(type)}`;
  if (!(tensor.data instanceof arrayOf(tensor.type))) return `data of the wrong class`;
  const count = elementCount(tensor.shape);
  return tensor.data.length === count ? undefined : `${tensor.data.length} elements for ${count}`;
}

interface SchemaField {
  readonly path: string;
  readonly schema: Readonly<Record<string, unknown>>;
}

/** Every property of a JSON Schema, also of objects in lists, records and unions. */
function fieldsOf(schema: unknown, path = ''): SchemaField[] {
  if (typeof schema !== 'object' || schema === null) return [];
  if (Array.isArray(schema)) return schema.flatMap((part) => fieldsOf(part, path));
  return Object.entries(schema).flatMap(([key, part]) => {
    if (key !== 'properties') return key === 'default' ? [] : fieldsOf(part, path);
    return Object.entries(part as Record<string, Record<string, unknown>>).flatMap(
      ([name, field]) => {
        const at = path === '' ? name : `${path}.${name}`;
        return [{ path: at, schema: field }, ...fieldsOf(field, at)];
      },
    );
  });
}
