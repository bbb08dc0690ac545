import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeWav, parseWav } from '../../../src/signal/wav.ts';
import { wav } from '../../../src/stages/decode/wav.ts';
import { LedgeError } from '../../../src/std/error.ts';
import { describeStage } from '../../conformance/stage.ts';
import { compileStage } from '../../harness/run-stage.ts';
import { BYTES, bytesOf, decoded, describeRefusals } from './bytes.ts';
import { le, type WavParts, wavFile } from './wav-file.ts';

const file = (parts: WavParts) => bytesOf(wavFile(parts));
const four = [0, 0, 0, 0x40, 0, 0x80, 0xff, 0x7f];

describeStage({
  stage: wav,
  cases: [
    {
      title: 'files',
      config: {},
      input: BYTES,
      values: [file({ data: four }), file({ data: [] })],
    },
    {
      title: 'one rate',
      config: { sampleRateHz: 16_000 },
      input: BYTES,
      values: [file({ data: four })],
    },
  ],
  wrongInputs: [{ kind: 'text' }],
});

const half = [0, 0, 0, 0x3f]; // 0.5 as float32

test.each<[string, WavParts, number[]]>([
  ['16 bits', { data: four }, [0, 0.5, -1, 32_767 / 32_768]],
  ['8 bits', { format: 'uint8', data: [0, 64, 128, 192] }, [-1, -0.5, 0, 0.5]],
  ['24 bits', { format: 'int24', data: [0, 0, 0x40, 0, 0, 0x80] }, [0.5, -1]],
  ['32 bits', { format: 'int32', data: [0, 0, 0, 0xc0] }, [-0.5]],
  ['float32', { format: 'float32', data: half }, [0.5]],
  ['extensible', { extensible: true, data: four.slice(0, 4) }, [0, 0.5]],
  ['two channels', { channels: 2, data: four }, [0.25, -1 / 65_536]],
  [
    'a chunk of odd size before the data',
    { before: [['LIST', [1, 2, 3]]], data: four.slice(2, 4) },
    [0.5],
  ],
  ['a streamed size of 2^32 - 1', { dataSize: 0xffff_ffff, data: four.slice(2, 4) }, [0.5]],
  ['a streamed size of 2^31', { dataSize: 0x8000_0000, data: [...four.slice(2, 4), 7] }, [0.5]],
  ['a streamed size of 0', { dataSize: 0, riffSize: 0, data: four.slice(2, 4) }, [0.5]],
  ['a RIFF size that lies', { riffSize: 3, data: four.slice(2, 4) }, [0.5]],
  ['bytes behind the data', { dataSize: 2, data: [0, 0x40, 1, 2, 3] }, [0.5]],
  ['no samples', { data: [] }, []],
])('wav reads %s', async (_, parts, expected) => {
  const [value] = await decoded(wav, {}, file(parts));
  expect(value).toMatchObject({ kind: 'tensor', type: 'float32', shape: [expected.length] });
  expect(value?.kind === 'tensor' && Array.from(value.data, Number)).toEqual(expected);
});

test('wav reads what encodeWav wrote, to half a step of 16 bits', async () => {
  const samples = Float32Array.from({ length: 500 }, (_, index) => Math.sin(index / 7));
  const bytes = encodeWav(samples, 22_050);
  expect(parseWav(bytes)).toMatchObject({ sampleRateHz: 22_050, channels: 1, missingBytes: 0 });
  const [value] = await decoded(wav, {}, bytesOf(bytes));
  const read = value?.kind === 'tensor' ? Array.from(value.data, Number) : [];
  expect(read).toHaveLength(500);
  for (const [index, sample] of read.entries()) {
    expect(Math.abs(sample - samples[index]!)).toBeLessThanOrEqual(1 / 32_768);
  }
});

test('wav takes what is there of a truncated file where it is told to', async () => {
  const cut = file({ dataSize: 100, data: [0, 0x40, 7] });
  const [value] = await decoded(wav, { truncated: 'accept' }, cut);
  expect(value).toMatchObject({ shape: [1] });
});

test('wav tells later stages the rate that it was told', async () => {
  const rated = await compileStage(wav, { config: { sampleRateHz: 8000 }, input: BYTES });
  expect(rated.output).toMatchObject({ sampleRateHz: 8000, shape: [-1] });
  const any = await compileStage(wav, { config: {}, input: BYTES });
  expect(any.output).not.toHaveProperty('sampleRateHz');
});

const good = wavFile({ data: four });
const changed = (at: number, bytes: number[]) =>
  bytesOf(good.map((byte, index) => bytes[index - at] ?? byte));

describeRefusals(wav, [
  ['an empty payload', {}, bytesOf([]), 'payload-invalid', /RIFF and WAVE/],
  ['another RIFF file', {}, changed(8, [0x41]), 'payload-invalid', /RIFF and WAVE/],
  [
    'a file cut before its data',
    {},
    bytesOf(good.slice(0, 36)),
    'payload-invalid',
    /no data chunk/,
  ],
  [
    'a file cut in its fmt chunk',
    {},
    bytesOf(good.slice(0, 30)),
    'payload-invalid',
    /fmt chunk is cut/,
  ],
  [
    'a file cut in its data',
    {},
    bytesOf(good.slice(0, -2)),
    'payload-invalid',
    /promises 2 bytes more/,
  ],
  [
    'a data size that lies',
    {},
    file({ dataSize: 1_000_000, data: four }),
    'payload-invalid',
    /promises/,
  ],
  [
    'a fmt size that lies',
    {},
    changed(16, le(0xffff_fff0, 4)),
    'payload-invalid',
    /fmt chunk is cut/,
  ],
  ['no channels', {}, changed(22, [0, 0]), 'payload-invalid', /0 channels/],
  ['a thousand channels', {}, changed(22, le(1000, 2)), 'payload-invalid', /1000 channels/],
  ['a rate of 0', {}, changed(24, le(0, 4)), 'payload-invalid', /rate is 0/],
  ['a frame size that lies', {}, changed(32, le(3, 2)), 'payload-invalid', /says it has 3 bytes/],
  ['A-law', {}, changed(20, le(6, 2)), 'payload-invalid', /format 6 with 16 bits/],
  ['12 bits', {}, changed(34, le(12, 2)), 'payload-invalid', /12 bits/],
  ['half a sample', {}, file({ data: [1, 2, 3] }), 'payload-invalid', /no multiple/],
  [
    'NaN in float32',
    {},
    file({ format: 'float32', data: [...half, 0, 0, 0xc0, 0x7f] }),
    'value-invalid',
    /element 1 is NaN/,
  ],
  [
    'chunks without end',
    {},
    file({ before: Array.from({ length: 100 }, () => ['junk', []]), data: four }),
    'payload-invalid',
    /no data chunk/,
  ],
  [
    'another rate than told',
    { sampleRateHz: 8000 },
    file({ data: four }),
    'payload-invalid',
    /16000/,
  ],
  [
    'a sound over its limit',
    { secondsMax: 0.0001 },
    file({ data: four }),
    'payload-too-large',
    /0\.0001/,
  ],
]);

test('wav reads any bytes behind RIFF or refuses them with payload-invalid', () => {
  const start = good.slice(0, 12);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(good.length), (tail, keep) => {
      try {
        parseWav(Uint8Array.from([...start, ...good.slice(12, keep), ...tail]));
      } catch (error) {
        expect(error).toBeInstanceOf(LedgeError);
      }
    }),
    { numRuns: 2000 },
  );
});
