import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packagePath } from '../../../src/std/package.ts';
import { constant, model, modelBytes, node, valueInfo } from '../../fixtures/onnx-models.ts';
import { temporaryFolder } from '../../harness/node.ts';

const WINDOW = 1600; // 0.1 s

/** Whether a tenth of a second is loud: [computer, _quiet_]. */
function loudnessModel(): Uint8Array {
  const columns = Float32Array.from({ length: 2 * WINDOW }, (_, at) => (at % 2 === 0 ? 1 : 0));
  return modelBytes(
    model({
      nodes: [
        node('Mul', [['x', 'x'], ['squares']]),
        node('MatMul', [['squares', 'w'], ['power']]),
        node('Add', [['power', 'b'], ['y']]),
      ],
      initializers: [
        constant('w', 'float32', { dims: [WINDOW, 2], data: columns }),
        constant('b', 'float32', { dims: [2], data: Float32Array.of(-20, 0) }),
      ],
      inputs: [valueInfo('x', 'float32', ['N', WINDOW])],
      outputs: [valueInfo('y', 'float32', ['N', 2])],
    }),
  );
}

function liveFlow(...steps: string[]): string {
  return [
    "source: { topic: 'ledge/in/voice/{device}' }",
    'steps:',
    '  - audio: { sampleRateHz: 16000 }',
    '  - window: { seconds: 0.1 }',
    '  - predict: { model: model.onnx }',
    '  - softmax: {}',
    ...steps.map((step) => `  - ${step}`),
  ].join('\n');
}

/** Flows that behave as the default voice flows do: commands by the real model, the rest by loudness. */
export async function writeVoiceFlows(): Promise<string> {
  const root = await temporaryFolder();
  const from = packagePath('flows/keyword-spotting');
  const command = join(root, 'voice-command');
  await cp(from, command, { recursive: true });
  const text = await readFile(join(from, 'flow.yaml'), 'utf8');
  const moved = text.replace('device: voice', "topic: 'ledge/in/command/{device}'");
  await writeFile(join(command, 'flow.yaml'), moved);
  const flows = {
    'wake-word': liveFlow(
      'threshold: { element: 0, score: 0.5 }',
      'top-k: { k: 1, labels: [computer, _quiet_] }',
      'debounce: { seconds: 60 }',
    ),
    'voice-activity': liveFlow('threshold: { element: 0, score: 0.5, emit: changes }'),
  };
  for (const [name, flow] of Object.entries(flows)) {
    const folder = join(root, name);
    await mkdir(folder);
    await writeFile(join(folder, 'model.onnx'), loudnessModel());
    await writeFile(join(folder, 'flow.yaml'), flow);
  }
  return root;
}

/** A spoken word as 16 kHz s16le: the samples of the keyword flow, without their 44-byte header. */
export async function spoken(word: string): Promise<Uint8Array> {
  const wav = await readFile(packagePath(`flows/keyword-spotting/samples/${word}.wav`));
  return wav.subarray(44);
}

/** A tone between two silences, 16 kHz s16le. */
export function toneInSilence(seconds: number): Uint8Array {
  const samples = new Int16Array(Math.round(seconds * 16_000));
  for (let at = samples.length / 3; at < (2 * samples.length) / 3; at++) {
    const index = Math.floor(at);
    samples[index] = Math.round(16_000 * Math.sin((2 * Math.PI * 440 * index) / 16_000));
  }
  return new Uint8Array(samples.buffer);
}
