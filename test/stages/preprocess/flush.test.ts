import { expect, test } from 'vitest';
import type { FlowEvent } from '../../../src/flow/event.ts';
import type { Stage, Step } from '../../../src/flow/stage.ts';
import type { ValueType } from '../../../src/flow/value.ts';
import { highPass } from '../../../src/stages/preprocess/high-pass.ts';
import { resample } from '../../../src/stages/preprocess/resample.ts';
import { window } from '../../../src/stages/preprocess/window.ts';
import { compileStage, eventOf, runStep, valuesOf } from '../../harness/run-stage.ts';
import { plain, tensor, typeOf } from './values.ts';

const signal = typeOf([-1], { sampleRateHz: 8000 });
const STAGES: readonly [string, Stage, Record<string, unknown>][] = [
  ['window', window, { size: 4 }],
  ['resample', resample, { sampleRateHz: 4000 }],
  ['high-pass', highPass, { cutoffHz: 80 }],
];

async function opened(stage: Stage, config: Record<string, unknown>, input: ValueType = signal) {
  return (await compileStage(stage, { config, input })).open();
}

/** What a step gives for a ramp of samples that came as this part. */
async function push(step: Step, part: FlowEvent['part'], [from, count]: readonly [number, number]) {
  const event = eventOf(part === undefined ? {} : { part });
  const use = { config: {}, input: signal };
  return valuesOf(await runStep(step, tensor([count], from), { use, event })).map(plain);
}

test.each(STAGES)(
  '%s takes a clip as a clip and a stream as a stream',
  async (_, stage, config) => {
    const auto = await opened(stage, config);
    const clips = await opened(stage, { ...config, flush: 'event' });
    const stream = await opened(stage, { ...config, flush: 'stream' });
    const parts = [
      ['stream', [0, 300]],
      ['whole', [50, 301]],
      ['stream', [300, 299]],
      [undefined, [7, 5]],
      ['stream', [599, 3]],
    ] as const;
    for (const [part, ramp] of parts) {
      const expected = await push(part === 'stream' ? stream : clips, part, ramp);
      expect(await push(auto, part, ramp)).toEqual(expected);
    }
  },
);

test.each(STAGES)('%s keeps the streams of two devices apart', async (_, stage, config) => {
  const compiled = await compileStage(stage, { config, input: signal });
  expect(compiled.scope).toBe('device');
  const alone = await opened(stage, { ...config, flush: 'stream' });
  const [one, other] = [compiled.open(), compiled.open()];
  for (const from of [0, 202, 404]) {
    await push(other, 'stream', [1000 + from, 203]);
    const expected = await push(alone, 'stream', [from, 202]);
    expect(await push(one, 'stream', [from, 202])).toEqual(expected);
  }
});

test.each(STAGES.slice(1))('%s takes what a window cut as clips', async (_, stage, config) => {
  const cut = typeOf([400], { sampleRateHz: 8000 });
  expect((await compileStage(stage, { config, input: cut })).scope).toBe('shared');
  const auto = await opened(stage, config, cut);
  const first = await push(auto, 'stream', [0, 400]);
  expect(await push(auto, 'stream', [0, 400])).toEqual(first);
});
