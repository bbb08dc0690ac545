import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import type { Result, Value } from '../../../src/flow/value.ts';
import { type Detection, intersectionOverUnion } from '../../../src/image/box.ts';
import { sharedData } from '../../harness/shared-data.ts';
import { type Portrait, portrait } from '../../image/portrait.ts';
import { type ChainStep, runChain } from './chain.ts';

const resultOf = (value: Value) => (value as Result).result;

const faces = sharedData('models/ultraface');

function ultraface(mode: string): ChainStep[] {
  const model = join(faces ?? '', 'version-RFB-320.onnx');
  const size = { width: 320, height: 240, mode };
  return [
    { image: {}, as: 'photo' },
    { resize: { ...size, kernel: 'linear' } },
    { layout: {} },
    { normalise: { mean: [127], deviation: [128], channels: 'first' } },
    { predict: { model } },
    {
      boxes: {
        ...size,
        layout: 'ssd',
        scores: 'scores',
        boxes: 'boxes',
        background: 0,
        labels: ['background', 'face'],
        score: 0.7,
        image: 'photo',
      },
    },
    { 'non-max-suppression': { overlapMax: 0.3 } },
  ];
}

/** Where a painted face is, as fractions: from the hairline to the chin, ear to ear. */
function placeOf({ width, height, face }: Portrait): Detection['box'] {
  const { x, y, size } = face;
  const [left, right] = [(x - 0.68 * size) / width, (x + 0.68 * size) / width];
  return [left, (y - 0.75 * size) / height, right, (y + 0.9 * size) / height];
}

describe.skipIf(!faces)('UltraFace, unless ../shared/data/models/ultraface is missing', () => {
  const wide: Portrait = { width: 480, height: 270, face: { x: 280, y: 125, size: 65 } };
  const high: Portrait = { width: 240, height: 400, face: { x: 115, y: 190, size: 60 } };
  test.each([
    ['squash', wide, 1],
    ['fit-longest', wide, 1],
    ['fit-longest', high, 1],
    ['fit-shortest', wide, 1],
    ['fit-longest', high, 6],
    ['fit-longest', wide, 8],
  ])('finds a painted face by %s, %o, orientation %i', async (mode, picture, orientation) => {
    // The file holds the picture turned away; its EXIF tells the way back.
    const turns = { 1: 0, 6: 270, 8: 90 }[orientation] ?? 0;
    const upright = await portrait(picture).png().toBuffer();
    const photo = sharp(upright).rotate(turns).withMetadata({ orientation });
    const found = resultOf(await runChain(await photo.jpeg().toBuffer(), ultraface(mode)));
    const detections = found.detections as Detection[];
    expect(detections).toHaveLength(1);
    const [{ label, score, box }] = detections as [Detection];
    expect(label).toBe('face');
    expect(score).toBeGreaterThan(0.9);
    expect(intersectionOverUnion(box, placeOf(picture))).toBeGreaterThan(0.6);
  });
  test('finds nothing where there is no face', async () => {
    const empty: Portrait = { width: 320, height: 240, face: { x: -4000, y: -4000, size: 100 } };
    const bytes = await portrait(empty).jpeg().toBuffer();
    expect(resultOf(await runChain(bytes, ultraface('squash')))).toEqual({ detections: [] });
  });
});

const squeezenet = sharedData('models/squeezenet');

describe.skipIf(!squeezenet)(
  'SqueezeNet, unless ../shared/data/models/squeezenet is missing',
  () => {
    test('in fp16 gives scores of 1000 classes that add up to 1', async () => {
      const picture: Portrait = { width: 320, height: 240, face: { x: 160, y: 110, size: 55 } };
      const value = await runChain(await portrait(picture).jpeg().toBuffer(), [
        { image: {} },
        { resize: { width: 224, height: 224, mode: 'fit-shortest', colour: 'bgr' } },
        { layout: {} },
        { normalise: { mean: [104, 117, 123], channels: 'first' } },
        { cast: { type: 'float16' } },
        { predict: { model: join(squeezenet ?? '', 'SqueezeNet_fp16.onnx') } },
        { reshape: { shape: [1, 1000] } },
        { 'top-k': { k: 100 } },
      ]);
      const { top } = resultOf(value) as { top: { score: number }[] };
      const sum = top.reduce((total, { score }) => total + score, 0);
      expect(sum).toBeGreaterThan(0.8);
      expect(sum).toBeLessThan(1.01);
    });
  },
);

const tiny = sharedData('models/mlperf-tiny');

describe.skipIf(!tiny)('MLPerf Tiny, unless ../shared/data/models/mlperf-tiny is missing', () => {
  const picture: Portrait = { width: 240, height: 240, face: { x: 120, y: 100, size: 45 } };
  test('visual wake words sees a painted person', async () => {
    const value = await runChain(await portrait(picture).jpeg().toBuffer(), [
      { image: {} },
      { resize: { width: 96, height: 96 } },
      { normalise: { preset: 'unit' } },
      { layout: { to: 'nhwc' } },
      { predict: { model: join(tiny ?? '', 'vww_96.onnx') } },
      { 'top-k': { labels: ['nobody', 'person'] } },
    ]);
    expect(resultOf(value)).toMatchObject({ label: 'person' });
  });
});
