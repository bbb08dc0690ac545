import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { FlowEvent } from '../../src/flow/event.ts';
import type { Step } from '../../src/flow/stage.ts';
import { melSpectrogram } from '../../src/stages/preprocess/mel-spectrogram.ts';
import { z } from '../../src/std/schema.ts';
import { float32 } from '../../src/tensor/tensor.ts';

const CLIP_SAMPLES = 16_000;

const flowSchema = z.object({ steps: z.array(z.record(z.string(), z.unknown())) });

async function floats(path: string): Promise<Float32Array<ArrayBuffer>> {
  const bytes = await readFile(path);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

/** The stage as the flow configures it, for one-second clips. */
async function openStage(flow: string): Promise<Step> {
  const { steps } = flowSchema.parse(parse(await readFile(flow, 'utf8')));
  const found = steps.find((step) => step[melSpectrogram.kind] !== undefined);
  const config = melSpectrogram.schema.parse(found?.[melSpectrogram.kind]);
  const compiled = await melSpectrogram.create(config, {
    input: { kind: 'tensor', type: 'float32', shape: [CLIP_SAMPLES], sampleRateHz: 16_000 },
    named: () => undefined,
    flow: 'keyword-spotting',
    folder: '.',
    priority: 'normal',
  });
  return compiled.open();
}

/** The largest difference between the training's features and the stage's on the same clips. */
async function checkMel(flow: string, folder: string): Promise<{ clips: number; worst: number }> {
  const step = await openStage(flow);
  const clips = await floats(join(folder, 'clips.bin'));
  const expected = await floats(join(folder, 'mel.bin'));
  const count = clips.length / CLIP_SAMPLES;
  const size = expected.length / count;
  let worst = 0;
  for (let row = 0; row < count; row++) {
    const clip = clips.slice(row * CLIP_SAMPLES, (row + 1) * CLIP_SAMPLES);
    const outcome = await step.run(float32([CLIP_SAMPLES], clip), {
      event: {} as FlowEvent,
      named: () => undefined,
    });
    if (outcome.kind !== 'emit' || outcome.value.kind !== 'tensor') throw new Error('no features');
    const { data } = outcome.value;
    if (data.length !== size) throw new Error(`${data.length} features, expected ${size}`);
    data.forEach((value, index) => {
      worst = Math.max(worst, Math.abs(Number(value) - (expected[row * size + index] ?? NaN)));
    });
  }
  return { clips: count, worst };
}

const [flow = '', folder = ''] = process.argv.slice(2);
console.log(JSON.stringify(await checkMel(flow, folder)));
