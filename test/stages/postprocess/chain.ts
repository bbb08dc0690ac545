import type { Stage } from '../../../src/flow/stage.ts';
import type { Value, ValueType } from '../../../src/flow/value.ts';
import { createPredict } from '../../../src/stages/infer/predict.ts';
import { createStages } from '../../../src/stages/stages.ts';
import { eventOf } from '../../harness/run-stage.ts';
import { testPool } from '../../infer/test-pool.ts';

/** Steps as in a flow file: one kind with its configuration, and a name for what it gives. */
export interface ChainStep {
  readonly as?: string;
  readonly [kind: string]: unknown;
}

/** Sends one payload through real steps, with models in a pool of its own; gives the last value. */
export async function runChain(payload: Uint8Array, steps: readonly ChainStep[]): Promise<Value> {
  const stages = createStages({ predict: createPredict(await testPool()) });
  const types = new Map<string, ValueType>();
  const values = new Map<string, Value>();
  let type: ValueType = { kind: 'bytes' };
  let value: Value = { kind: 'bytes', bytes: payload };
  for (const { as, ...written } of steps) {
    const [kind = '', config] = Object.entries(written)[0] ?? [];
    const stage = stages.get(kind) as Stage;
    const compiled = await stage.create(stage.schema.parse(config), {
      input: type,
      named: (name) => types.get(name),
      flow: 'chain',
      folder: '.',
      priority: 'normal',
    });
    const context = { event: eventOf(), named: (name: string) => values.get(name) };
    const outcome = await compiled.open().run(value, context);
    if (outcome.kind !== 'emit') throw new Error(`${kind} gave ${outcome.kind}`);
    ({ value } = outcome);
    type = compiled.output;
    if (as === undefined) continue;
    types.set(as, type);
    values.set(as, value);
  }
  return value;
}
