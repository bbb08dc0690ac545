import { describe, expect, test } from 'vitest';
import type { ImageFile, ValueType } from '../../../src/flow/value.ts';
import type { Detection } from '../../../src/image/box.ts';
import { boxes } from '../../../src/stages/postprocess/boxes.ts';
import { nonMaxSuppression } from '../../../src/stages/postprocess/non-max-suppression.ts';
import { FREE, float32 } from '../../../src/tensor/tensor.ts';
import { describeStage } from '../../conformance/stage.ts';
import { compileStage, runStage, type StageUse } from '../../harness/run-stage.ts';
import { readOutcomes, result, scoresType } from './labelled.ts';

const f32 = (shape: readonly number[], ...data: number[]) =>
  float32(shape, Float32Array.from(data));
const type = (shape: readonly number[]) => ({ type: 'float32', shape }) as const;

/** UltraFace's form: two classes of which the first is nothing, corners as fractions. */
const ssdInput: ValueType = {
  kind: 'tensors',
  tensors: { scores: type([1, 3, 2]), boxes: type([1, 3, 4]) },
};
const ssdValue = {
  kind: 'tensors' as const,
  tensors: {
    scores: f32([1, 3, 2], 0.9, 0.1, 0.25, 0.75, 0.125, 0.875),
    boxes: f32([1, 3, 4], 0, 0, 1, 1, 0.25, 0.25, 0.5, 0.5, -0.5, 0.5, 0.75, 1.5),
  },
};
const ssd = {
  layout: 'ssd',
  scores: 'scores',
  boxes: 'boxes',
  background: 0,
  labels: ['nothing', 'face'],
};

/** [1, 4 + 2 classes, 3 boxes] in pixels of a 100 x 50 input: centre, size, then the classes. */
const yoloRows = [
  [50, 10, 90],
  [25, 10, 40],
  [100, 20, 20],
  [50, 20, 20],
  [0.25, 0.1, 0.75],
  [0.5, 0.2, 0.25],
];
const yoloInput: ValueType = { kind: 'tensor', type: 'float32', shape: [1, 6, 3] };
const yoloValue = f32([1, 6, 3], ...yoloRows.flat());
const yolo = { layout: 'yolo', width: 100, height: 50, score: 0.4, labels: ['cat', 'dog'] };

describeStage({
  stage: boxes,
  cases: [
    { title: 'ssd', config: ssd, input: ssdInput, values: [ssdValue] },
    { title: 'yolo', config: yolo, input: yoloInput, values: [yoloValue] },
  ],
  wrongInputs: [{ kind: 'text' }, yoloInput],
});

const detections: ValueType = { kind: 'result', of: 'detections', labels: ['face'] };
const overlapping = result({
  detections: [
    { label: 'face', score: 0.7, box: [0, 0, 0.5, 0.5] },
    { label: 'face', score: 0.9, box: [0.01, 0, 0.5, 0.5] },
    { label: 'face', score: 0.5, box: [0.6, 0.6, 1, 1] },
  ],
});

describeStage({
  stage: nonMaxSuppression,
  cases: [{ title: 'faces', config: {}, input: detections, values: [overlapping] }],
  wrongInputs: [{ kind: 'result', of: 'regions' }, scoresType('a')],
});

async function detect(use: StageUse, value: typeof ssdValue | typeof yoloValue) {
  const [found] = readOutcomes(await runStage(boxes, use, [value]));
  return (found as { detections: Detection[] }).detections;
}

describe('boxes', () => {
  test('of ssd: the background is left out, boxes end at the picture', async () => {
    expect(await detect({ config: ssd, input: ssdInput }, ssdValue)).toEqual([
      { label: 'face', score: 0.875, box: [0, 0.5, 0.75, 1] },
      { label: 'face', score: 0.75, box: [0.25, 0.25, 0.5, 0.5] },
    ]);
  });
  test('of ssd with rows before columns, as TensorFlow writes them', async () => {
    const config = { ...ssd, form: 'corners-yx' };
    const [first] = await detect({ config, input: ssdInput }, ssdValue);
    expect(first?.box).toEqual([0.5, 0, 1, 0.75]);
  });
  test('of yolo: centre and size in pixels, the best class of each', async () => {
    expect(await detect({ config: yolo, input: yoloInput }, yoloValue)).toEqual([
      { label: 'cat', score: 0.75, box: [0.8, 0.6, 1, 1] },
      { label: 'dog', score: 0.5, box: [0, 0, 1, 1] },
    ]);
  });
  test('of yolo with boxes first and a score of being there', async () => {
    const rows = [0, 1, 2].flatMap((box) => {
      const column = yoloRows.map((row) => row[box]!);
      return [...column.slice(0, 4), 0.5, ...column.slice(4)];
    });
    const input: ValueType = { kind: 'tensor', type: 'float32', shape: [1, 3, 7] };
    const config = { ...yolo, order: 'boxes-first', objectness: true, score: 0.3 };
    expect(await detect({ config, input }, f32([1, 3, 7], ...rows))).toEqual([
      { label: 'cat', score: 0.375, box: [0.8, 0.6, 1, 1] },
    ]);
  });
  test('no more than the limit, the surest', async () => {
    const config = { ...yolo, candidatesMax: 1 };
    expect(await detect({ config, input: yoloInput }, yoloValue)).toMatchObject([{ label: 'cat' }]);
  });
  test('are told on the picture that was laid between bars', async () => {
    const photo: ImageFile = {
      kind: 'image',
      bytes: new Uint8Array(),
      format: 'jpeg',
      width: 1000,
      height: 1000,
    };
    const named = { photo: { type: { kind: 'image' } as const, value: photo } };
    // A square picture on 100 x 50 lies between columns 25 and 75.
    const config = { ...yolo, mode: 'fit-longest', image: 'photo' };
    expect(await detect({ config, input: yoloInput, named }, yoloValue)).toEqual([
      { label: 'cat', score: 0.75, box: [1, 0.6, 1, 1] },
      { label: 'dog', score: 0.5, box: [0, 0, 1, 1] },
    ]);
  });
  test("take the model's labels and free counts", async () => {
    const input: ValueType = {
      kind: 'tensors',
      tensors: { out: type([FREE, 6, FREE]) },
      labels: ['cat', 'dog'],
    };
    const { labels: _labels, ...config } = { ...yolo, boxes: 'out' };
    const value = { kind: 'tensors' as const, tensors: { out: yoloValue } };
    const [found] = await runStage(boxes, { config, input }, [value]);
    expect(found).toMatchObject({ value: { result: { detections: [{ label: 'cat' }, {}] } } });
  });
  test.each([
    ['labels', { ...ssd, labels: ['face'] }, ssdInput],
    ['labels', { ...yolo, labels: ['cat'] }, yoloInput],
    ['scores', { ...ssd, scores: 'confidence' }, ssdInput],
    ['scores', { layout: 'ssd', boxes: 'boxes' }, ssdInput],
    ['boxes', { ...ssd, boxes: 'scores' }, ssdInput],
    ['background', { ...ssd, background: 2 }, ssdInput],
    ['width', { layout: 'yolo', height: 50 }, yoloInput],
    ['height', { layout: 'yolo', width: 50 }, yoloInput],
    ['image', { ...yolo, mode: 'fit-longest' }, yoloInput],
    ['image', { ...yolo, mode: 'fit-longest', image: 'photo' }, yoloInput],
    ['boxes', yolo, { kind: 'tensor', type: 'float32', shape: [6, 3] }],
  ] as const)('are refused with a wrong %s: %j', async (field, config, input) => {
    const compiled = compileStage(boxes, { config: { ...config }, input: input as ValueType });
    await expect(compiled).rejects.toMatchObject({ field });
  });
  test('a box that is no number fails the event', async () => {
    const tensors = { ...ssdValue.tensors, boxes: f32([1, 3, 4], ...Array(12).fill(Number.NaN)) };
    const run = runStage(boxes, { config: ssd, input: ssdInput }, [{ kind: 'tensors', tensors }]);
    await expect(run).rejects.toMatchObject({ code: 'value-invalid' });
  });
  test('as many boxes as scores, or the event fails', async () => {
    const tensors = { ...ssdValue.tensors, boxes: f32([1, 2, 4], 0, 0, 1, 1, 0, 0, 1, 1) };
    const run = runStage(boxes, { config: ssd, input: ssdInput }, [{ kind: 'tensors', tensors }]);
    await expect(run).rejects.toMatchObject({ code: 'shape-mismatch' });
  });
});

test('non-max-suppression keeps the surest of what overlaps', async () => {
  const use = { config: { overlapMax: 0.4 }, input: detections };
  const [found] = readOutcomes(await runStage(nonMaxSuppression, use, [overlapping]));
  expect((found as { detections: Detection[] }).detections.map(({ score }) => score)).toEqual([
    0.9, 0.5,
  ]);
});
