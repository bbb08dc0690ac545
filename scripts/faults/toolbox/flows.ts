import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { echoModel, hangingModel } from './models.ts';

/** Where the harness publishes to a flow. */
export function inputTopic(flow: string): string {
  return `faults/${flow}/{device}`;
}

export interface FlowOptions {
  readonly name: string;
  readonly model?: 'echo' | 'hanging';
  /** Lines under `source:`. */
  readonly source?: readonly string[];
  /** Fields of the predict step beside its model. */
  readonly predict?: string;
}

/** Writes one flow that decodes an event, runs it through a model and publishes what came back. */
export function writeFlow(folder: string, options: FlowOptions): void {
  const { name, model = 'echo', source = [], predict = '' } = options;
  const place = join(folder, name);
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, 'model.onnx'), model === 'echo' ? echoModel() : hangingModel());
  writeFileSync(join(place, 'flow.yaml'), flowText({ name, source, predict }));
}

/** The text of such a flow; another description makes it another text with the same effect. */
export function flowText({ name, source = [], predict = '' }: FlowOptions, note = ''): string {
  return [
    `description: Gives each event of the fault harness back through a model. ${note}`.trim(),
    'source:',
    `  topic: '${inputTopic(name)}'`,
    '  keep: all',
    ...source.map((line) => `  ${line}`),
    'steps:',
    '  - float32: { shape: [4] }',
    `  - predict: { model: model.onnx${predict === '' ? '' : `, ${predict}`} }`,
    '  - encode: {}',
    '',
  ].join('\n');
}
