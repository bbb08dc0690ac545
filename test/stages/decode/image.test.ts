import { expect, test } from 'vitest';
import { image } from '../../../src/stages/decode/image.ts';
import { describeStage } from '../../conformance/stage.ts';
import { runStage } from '../../harness/run-stage.ts';
import { lyingJpeg, pngHeader, quarters, turnedJpeg } from '../../image/pictures.ts';

const USE = { config: {}, input: { kind: 'bytes' } } as const;
const bytes = (content: Uint8Array) => ({ kind: 'bytes', bytes: new Uint8Array(content) }) as const;

describeStage({
  stage: image,
  cases: [
    {
      ...USE,
      title: 'a png and a jpeg',
      values: [
        bytes(await quarters(12, 8).png().toBuffer()),
        bytes(await quarters(9, 9).jpeg().toBuffer()),
      ],
    },
  ],
  wrongInputs: [{ kind: 'text' }, { kind: 'image' }],
});

test('image keeps the bytes and tells the size as displayed', async () => {
  const content = new Uint8Array(await turnedJpeg(40, 20, 6));
  expect(await runStage(image, USE, [bytes(content)])).toEqual([
    {
      kind: 'emit',
      value: { kind: 'image', bytes: content, format: 'jpeg', width: 20, height: 40 },
    },
  ]);
});

test.each([
  ['no bytes', {}, () => new Uint8Array(), 'payload-invalid'],
  ['a cut jpeg', {}, async () => (await lyingJpeg(8, 8)).subarray(0, 40), 'payload-invalid'],
  ['50,000 x 50,000 pixels', {}, () => pngHeader(50_000, 50_000), 'payload-too-large'],
  ['more than its own limit', { pixelsMax: 99 }, () => pngHeader(10, 10), 'payload-too-large'],
])('image refuses %s', async (_title, config, make, code) => {
  const run = runStage(image, { ...USE, config }, [bytes(await make())]);
  await expect(run).rejects.toMatchObject({ code });
});
