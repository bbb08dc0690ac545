import { expect, test } from 'vitest';
import type { ImageFile } from '../../../src/flow/value.ts';
import { readImageHeader } from '../../../src/image/header.ts';
import { resize } from '../../../src/stages/preprocess/resize.ts';
import { describeStage } from '../../conformance/stage.ts';
import { compileStage, runStage } from '../../harness/run-stage.ts';
import { quarters } from '../../image/pictures.ts';

function picture(encoded: Uint8Array): ImageFile {
  const bytes = new Uint8Array(encoded);
  return { kind: 'image', bytes, ...readImageHeader(bytes, 1_000_000) };
}

const wide = picture(await quarters(60, 20).png().toBuffer());
const high = picture(await quarters(20, 60).jpeg().toBuffer());
const input = { kind: 'image' } as const;

describeStage({
  stage: resize,
  cases: [
    { title: 'squash', config: { width: 8, height: 6 }, input, values: [wide, high] },
    {
      title: 'fit-longest in grey',
      config: { width: 8, height: 8, mode: 'fit-longest', colour: 'grey', padding: [9, 9, 9] },
      input,
      values: [wide, high],
    },
    {
      title: 'fit-shortest in bgr',
      config: { width: 5, height: 9, mode: 'fit-shortest', colour: 'bgr' },
      input,
      values: [wide, high],
    },
  ],
  wrongInputs: [{ kind: 'bytes' }, { kind: 'tensor', type: 'uint8', shape: [8, 8, 3] }],
});

test.each([
  ['rgb', [6, 8, 3]],
  ['bgr', [6, 8, 3]],
  ['grey', [6, 8, 1]],
])('resize to %s says its shape before the first picture', async (colour, shape) => {
  const config = { width: 8, height: 6, colour };
  const { output } = await compileStage(resize, { config, input });
  expect(output).toEqual({ kind: 'tensor', type: 'uint8', shape });
});

test('resize gives buffers that may be transferred to a worker', async () => {
  const config = { width: 8, height: 6 };
  const [outcome] = await runStage(resize, { config, input }, [wide]);
  if (outcome?.kind !== 'emit' || outcome.value.kind !== 'tensor') throw new Error('no tensor');
  const { data } = outcome.value;
  expect(data.byteLength).toBe(data.buffer.byteLength);
  expect(() => structuredClone(data, { transfer: [data.buffer as ArrayBuffer] })).not.toThrow();
});

test('resize refuses a picture whose pixels are damaged', async () => {
  const cut = { ...high, bytes: high.bytes.subarray(0, high.bytes.length - 60) };
  const run = runStage(resize, { config: { width: 8, height: 6 }, input }, [cut]);
  await expect(run).rejects.toMatchObject({ code: 'payload-invalid' });
});
