import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadOrFail, openWorkbench } from '../../src/cli/flow-folder.ts';
import { createEvent } from '../../src/flow/case.ts';
import { createPlan, type Plan } from '../../src/flow/plan.ts';
import { createMemoryState } from '../../src/flow/state.ts';
import { configSchema } from '../../src/node/config.ts';
import { encodeWav } from '../../src/signal/wav.ts';
import { writeFlows } from '../harness/flows.ts';

const RATE_HZ = 16_000;
const FLOW = [
  'source: { device: voice }',
  'steps:',
  '  - audio: {}',
  '  - window: { size: 4, hop: 2 }',
  '  - scale: { multiply: 32768 }',
  '  - encode: {}',
].join('\n');

let plan: Plan;
let workbench: Awaited<ReturnType<typeof openWorkbench>>;

beforeAll(async () => {
  const root = await writeFlows({ sounds: FLOW });
  workbench = await openWorkbench(configSchema.parse({}));
  const { parts } = await loadOrFail(join(root, 'sounds'), workbench);
  plan = createPlan(parts, createMemoryState());
});

afterAll(async () => {
  await plan?.close();
  await workbench?.[Symbol.asyncDispose]();
});

const wav = (...samples: number[]) =>
  encodeWav(
    Float32Array.from(samples, (sample) => sample / 32_768),
    RATE_HZ,
  );
const raw = (...samples: number[]) => wav(...samples).subarray(44);

async function windowsOf(device: string, payload: Uint8Array): Promise<unknown[]> {
  const { end, results } = await plan.process(
    createEvent({ device, topic: `ledge/in/voice/${device}`, payload, ts: 0 }),
  );
  expect(end).toEqual({ kind: 'done' });
  return results.map(({ result }) => result.value);
}

test('one flow takes clips and streams of a device, and the streams of two at a time', async () => {
  expect(await windowsOf('a', raw(1, 2, 3))).toEqual([]);
  expect(await windowsOf('b', raw(11, 12, 13, 14, 15))).toEqual([[11, 12, 13, 14]]);
  expect(await windowsOf('a', wav(91, 92, 93))).toEqual([[91, 92, 93, 0]]);
  expect(await windowsOf('a', raw(4))).toEqual([[1, 2, 3, 4]]);
  expect(await windowsOf('a', wav(94, 95, 96, 97))).toEqual([[94, 95, 96, 97]]);
  expect(await windowsOf('b', raw(16, 17, 18))).toEqual([
    [13, 14, 15, 16],
    [15, 16, 17, 18],
  ]);
  expect(await windowsOf('a', raw(5, 6))).toEqual([[3, 4, 5, 6]]);
});

test('an empty piece of a stream is held', async () => {
  expect(await windowsOf('c', raw())).toEqual([]);
  expect(await windowsOf('c', raw(1, 2, 3, 4))).toEqual([[1, 2, 3, 4]]);
});
