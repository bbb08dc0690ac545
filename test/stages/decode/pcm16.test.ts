import { expect, test } from 'vitest';
import { pcm16 } from '../../../src/stages/decode/pcm16.ts';
import { describeStage } from '../../conformance/stage.ts';
import { compileStage } from '../../harness/run-stage.ts';
import { BYTES, bytesOf, decoded, describeRefusals } from './bytes.ts';

const samples = [0, 0, 0, 0x40, 0, 0x80, 0xff, 0x7f];

describeStage({
  stage: pcm16,
  cases: [{ title: 'blocks', config: {}, input: BYTES, values: [bytesOf(samples), bytesOf([])] }],
  wrongInputs: [{ kind: 'fields' }],
});

test.each([
  [1, [0, 0.5, -1, 32_767 / 32_768]],
  [2, [0.25, -1 / 65_536]],
  [4, [(0.5 - 1 + 32_767 / 32_768) / 4]],
])('pcm16 mixes %i channels to one', async (channels, expected) => {
  const [value] = await decoded(pcm16, { channels }, bytesOf(samples));
  expect(value?.kind === 'tensor' && Array.from(value.data, Number)).toEqual(expected);
});

test('pcm16 tells later stages its rate', async () => {
  const { output } = await compileStage(pcm16, { config: { sampleRateHz: 44_100 }, input: BYTES });
  expect(output).toMatchObject({ type: 'float32', shape: [-1], sampleRateHz: 44_100 });
});

describeRefusals(pcm16, [
  ['an odd number of bytes', {}, bytesOf([1, 2, 3]), 'payload-invalid', /3 bytes are no multiple/],
  ['half a frame', { channels: 2 }, bytesOf([1, 2]), 'payload-invalid', /frame's 4/],
  [
    'a sound over its limit',
    { secondsMax: 0.0001 },
    bytesOf(samples),
    'payload-too-large',
    /secondsMax/,
  ],
  ['more bytes than allowed', { payloadBytesMax: 7 }, bytesOf(samples), 'payload-too-large', /7/],
]);
