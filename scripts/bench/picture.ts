import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import sharp from 'sharp';
import type { FlowEvent } from '../../src/flow/event.ts';
import type { Stage, Step, StepContext } from '../../src/flow/stage.ts';
import type { Value, ValueType } from '../../src/flow/value.ts';
import { z } from '../../src/std/schema.ts';
import { median } from './statistics.ts';

// Decodes one picture again and again, in a process of its own: argv[2] is `sharp` or `ledge`,
// argv[3] the JPEG. Each line on stdin is a count; each answer the median time in milliseconds.

const SIDE = 224;
const [, , mode, path] = process.argv;
const bytes = readFileSync(path ?? '');
const decode = mode === 'sharp' ? sharpAlone : await openStages();
process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  const times: number[] = [];
  for (let count = 0; count < Number(line); count += 1) {
    const startedAtMs = performance.now();
    await decode();
    times.push(performance.now() - startedAtMs);
  }
  process.stdout.write(`${median(times)}\n`);
}

/** What sharp gives at its own settings: 8-bit pixels of the size asked for, shrunk on load. */
function sharpAlone(): Promise<unknown> {
  return sharp(bytes).resize(SIDE, SIDE, { fit: 'fill' }).raw().toBuffer();
}

/** The stages of a flow for pictures, up to the tensor that a model takes: float32 [1, 3, 224, 224]. */
async function openStages(): Promise<() => Promise<Value>> {
  const { image } = await import('../../src/stages/decode/image.ts');
  const { resize } = await import('../../src/stages/preprocess/resize.ts');
  const { normalise } = await import('../../src/stages/preprocess/normalise.ts');
  const { layout } = await import('../../src/stages/preprocess/layout.ts');
  const chain: readonly (readonly [Stage, object])[] = [
    [image, {}],
    [resize, { width: SIDE, height: SIDE }],
    [layout, {}],
    [normalise, { preset: 'imagenet', channels: 'first' }],
  ];
  let type: ValueType = { kind: 'bytes' };
  const steps: Step[] = [];
  for (const [stage, written] of chain) {
    const config = z.unknown().pipe(stage.schema).parse(written);
    const compiled = await stage.create(config, {
      input: type,
      named: () => undefined,
      flow: 'picture',
      folder: '.',
      priority: 'normal',
    });
    type = compiled.output;
    steps.push(compiled.open());
  }
  const event: FlowEvent = {
    id: 'picture',
    device: 'd0',
    topic: 'bench/picture/d0',
    payload: bytes,
    receivedAtMs: 0,
    ts: 0,
    timing: { queueMs: 0, decodeMs: 0, preprocessMs: 0, inferMs: 0, postprocessMs: 0 },
  };
  const context: StepContext = { event, named: () => undefined };
  return async () => {
    let value: Value = { kind: 'bytes', bytes };
    for (const step of steps) {
      const outcome = await step.run(value, context);
      if (outcome.kind !== 'emit') throw new Error(`A stage for pictures said ${outcome.kind}`);
      value = outcome.value;
    }
    return value;
  };
}
