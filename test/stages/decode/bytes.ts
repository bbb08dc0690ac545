import { expect, test } from 'vitest';
import type { Stage } from '../../../src/flow/stage.ts';
import type { Bytes, Value } from '../../../src/flow/value.ts';
import { runStage, type StageUse, valuesOf } from '../../harness/run-stage.ts';

/** The payload of an event: text as UTF-8, numbers as bytes. */
export function bytesOf(content: string | readonly number[] | Uint8Array): Bytes {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  return { kind: 'bytes', bytes: Uint8Array.from(bytes) };
}

export const BYTES = { kind: 'bytes' } as const;

/** What a stage gives for one payload. */
export async function decoded(
  stage: Stage,
  config: Readonly<Record<string, unknown>>,
  value: Value,
  use: Partial<StageUse> = {},
): Promise<readonly Value[]> {
  const [outcome] = await runStage(stage, { ...use, config, input: BYTES }, [value]);
  return valuesOf(outcome!);
}

/** Bad payloads: title, configuration, payload, the error's code, a part of its message. */
export type Refusal = readonly [string, Record<string, unknown>, Bytes, string, RegExp];

export function describeRefusals(stage: Stage, refusals: readonly Refusal[]): void {
  test.each(refusals)(`${stage.kind} refuses %s`, async (_, config, value, code, message) => {
    const run = runStage(stage, { config, input: BYTES }, [value]);
    await expect(run).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });
}
