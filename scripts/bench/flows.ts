import { createHash } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BenchModel, imageModel, KEYWORD_FLOATS, keywordModel } from './models.ts';

/** The models on disk: the same files for Ledge, for the bare loops and for the peers. */
export interface BenchModels {
  readonly keyword: ModelOnDisk;
  readonly image: ModelOnDisk;
}

export interface ModelOnDisk {
  readonly model: BenchModel;
  readonly path: string;
}

/** What may wait in the flow of large events: the bound of its memory. */
export const LARGE_QUEUE_BYTES_MAX = 32 * 1024 * 1024;
/** What may wait in the flow of small events: one second of the load it is tested with, and more. */
export const SMALL_QUEUE_BYTES_MAX = 32 * 1024 * 1024;

/** Writes `<folder>/models` and `<folder>/flows`, one folder for each model and each flow. */
export function writeBenchFolders(folder: string): BenchModels {
  rmSync(join(folder, 'models'), { recursive: true, force: true });
  rmSync(join(folder, 'flows'), { recursive: true, force: true });
  const keyword = writeModel(folder, keywordModel());
  // Models are shared by their content: the flow without batches needs one of its own.
  const single = writeModel(folder, { ...keywordModel(3), name: 'bench-keyword-single' });
  const image = writeModel(folder, imageModel());
  writeFlow(folder, 'small', smallFlow(keyword));
  writeFlow(folder, 'unbatched', smallFlow(single, { sizeMax: 1, topic: 'unbatched' }));
  writeFlow(folder, 'large', largeFlow(image));
  return { keyword, image };
}

/** Writes `<folder>/flows-<count>`: so many small flows that share one model. */
export function writeManyFlows(folder: string, model: ModelOnDisk, count: number): string {
  const many = join(folder, `flows-${count}`);
  rmSync(many, { recursive: true, force: true });
  for (let index = 0; index < count; index += 1) {
    const topic = `many-${index}`;
    mkdirSync(join(many, topic), { recursive: true });
    writeFileSync(join(many, topic, 'flow.yaml'), smallFlow(model, { topic }));
  }
  return many;
}

/** Writes `<folder>/flows-journal`: the small flow with the journal (`kept`) and without (`unkept`). */
export function writeJournalFlows(folder: string, model: ModelOnDisk): string {
  const both = join(folder, 'flows-journal');
  rmSync(both, { recursive: true, force: true });
  for (const [topic, delivery] of [
    ['kept', 'at-least-once'],
    ['unkept', 'at-most-once'],
  ] as const) {
    mkdirSync(join(both, topic), { recursive: true });
    writeFileSync(join(both, topic, 'flow.yaml'), smallFlow(model, { topic, delivery }));
  }
  return both;
}

interface SmallFlow {
  readonly sizeMax?: number;
  readonly topic?: string;
  readonly delivery?: 'at-least-once' | 'at-most-once';
}

function smallFlow(
  { model }: ModelOnDisk,
  { sizeMax = 32, topic = 'small', delivery = 'at-least-once' }: SmallFlow = {},
): string {
  return [
    'description: Classifies 490 floats with a keyword model of 23 k parameters.',
    'source:',
    `  topic: bench/${topic}/{device}`,
    '  keep: all',
    `  delivery: ${delivery}`,
    `  queueBytesMax: ${SMALL_QUEUE_BYTES_MAX}`,
    'steps:',
    `  - float32: { shape: [${KEYWORD_FLOATS}] }`,
    `  - predict: { model: ../../models/${model.name}/model.yaml, batch: { sizeMax: ${sizeMax} } }`,
    '  - softmax: {}',
    '  - top-k: { k: 1 }',
    '',
  ].join('\n');
}

function largeFlow({ model }: ModelOnDisk): string {
  return [
    'description: Classifies 3 x 224 x 224 floats with a network of the shape of MobileNetV2.',
    'source:',
    '  topic: bench/large/{device}',
    '  keep: latest',
    `  queueBytesMax: ${LARGE_QUEUE_BYTES_MAX}`,
    'steps:',
    `  - float32: { shape: [${model.input.shape.join(', ')}] }`,
    `  - predict: { model: ../../models/${model.name}/model.yaml }`,
    '  - softmax: {}',
    '  - top-k: { k: 1 }',
    '',
  ].join('\n');
}

function writeFlow(folder: string, name: string, text: string): void {
  mkdirSync(join(folder, 'flows', name), { recursive: true });
  writeFileSync(join(folder, 'flows', name, 'flow.yaml'), text);
}

function writeModel(folder: string, model: BenchModel): ModelOnDisk {
  const place = join(folder, 'models', model.name);
  mkdirSync(place, { recursive: true });
  const path = join(place, 'model.onnx');
  writeFileSync(path, model.file);
  const port = ({ name, shape }: BenchModel['input']) =>
    `  - { name: ${name}, type: float32, shape: [N, ${shape.join(', ')}] }`;
  const labels = Array.from({ length: model.output.shape[0]! }, (_, index) => `class-${index}`);
  const manifest = [
    `name: ${model.name}`,
    'version: "1"',
    `sha256: ${createHash('sha256').update(model.file).digest('hex')}`,
    'precision: fp32',
    'inputs:',
    port(model.input),
    'outputs:',
    port(model.output),
    `labels: [${labels.join(', ')}]`,
    'licence: MIT',
    'origin: scripts/bench/models.ts, random weights',
    '',
  ];
  writeFileSync(join(place, 'model.yaml'), manifest.join('\n'));
  return { model, path };
}
