import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packagePath } from '../../../src/std/package.ts';
import { constant, model, modelBytes, node, valueInfo } from '../../fixtures/onnx-models.ts';
import { temporaryFolder } from '../../harness/node.ts';

const RATE = 16_000;
const WINDOW = 1600; // 0.1 s
/** The wake word of these tests: a tone that no speech has so pure. */
const TONE_HZ = 3000;

/** Power of a window at the tone, against a bound: [computer, _quiet_]. */
function toneModel(): Uint8Array {
  const waves = Float32Array.from({ length: 2 * WINDOW }, (_, at) => {
    const angle = (2 * Math.PI * TONE_HZ * Math.floor(at / 2)) / RATE;
    return at % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
  });
  return modelBytes(
    model({
      nodes: [
        node('MatMul', [['x', 'waves'], ['parts']]),
        node('Mul', [['parts', 'parts'], ['squares']]),
        node('MatMul', [['squares', 'sum'], ['power']]),
        node('Add', [['power', 'bound'], ['y']]),
      ],
      initializers: [
        constant('waves', 'float32', { dims: [WINDOW, 2], data: waves }),
        constant('sum', 'float32', { dims: [2, 2], data: Float32Array.of(1e-4, 0, 1e-4, 0) }),
        constant('bound', 'float32', { dims: [2], data: Float32Array.of(-3, 0) }),
      ],
      inputs: [valueInfo('x', 'float32', ['N', WINDOW])],
      outputs: [valueInfo('y', 'float32', ['N', 2])],
    }),
  );
}

/** Whether a window is loud. */
function loudnessModel(): Uint8Array {
  const ones = new Float32Array(WINDOW).fill(1);
  return modelBytes(
    model({
      nodes: [node('Mul', [['x', 'x'], ['squares']]), node('MatMul', [['squares', 'w'], ['y']])],
      initializers: [constant('w', 'float32', { dims: [WINDOW, 1], data: ones })],
      inputs: [valueInfo('x', 'float32', ['N', WINDOW])],
      outputs: [valueInfo('y', 'float32', ['N', 1])],
    }),
  );
}

function liveFlow(...steps: string[]): string {
  return [
    'source: { device: voice }',
    'steps:',
    '  - audio: { sampleRateHz: 16000 }',
    '  - window: { seconds: 0.1, hopSeconds: 0.05 }',
    '  - predict: { model: model.onnx }',
    ...steps.map((step) => `  - ${step}`),
  ].join('\n');
}

/** Flows of the contract's shape: a tone as the wake word, loudness as activity, real commands. */
export async function writeVoiceFlows(): Promise<string> {
  const root = await temporaryFolder();
  const from = packagePath('flows/keyword-spotting');
  const command = join(root, 'voice-command');
  await cp(from, command, { recursive: true });
  const text = await readFile(join(from, 'flow.yaml'), 'utf8');
  const moved = text.replace('device: voice', "topic: 'ledge/in/command/{device}'");
  await writeFile(join(command, 'flow.yaml'), moved);
  const live = {
    'wake-word': {
      model: toneModel(),
      flow: liveFlow(
        'softmax: {}',
        'threshold: { element: 0, score: 0.5 }',
        'top-k: { k: 1, labels: [computer, _quiet_] }',
        'debounce: { seconds: 1 }',
      ),
    },
    'voice-activity': {
      model: loudnessModel(),
      flow: liveFlow('threshold: { element: 0, score: 2, release: 0.5, emit: changes }'),
    },
  };
  for (const [name, { model: bytes, flow }] of Object.entries(live)) {
    const folder = join(root, name);
    await mkdir(folder);
    await writeFile(join(folder, 'model.onnx'), bytes);
    await writeFile(join(folder, 'flow.yaml'), flow);
  }
  return root;
}

/** Samples of a spoken word, a second with the word in it. */
export async function spoken(word: string): Promise<Int16Array> {
  const wav = await readFile(packagePath(`flows/keyword-spotting/samples/${word}.wav`));
  return new Int16Array(Uint8Array.from(wav.subarray(44)).buffer);
}

/** The wake word, `loud` from 0 to 1. */
export function tone(seconds: number, loud = 0.5): Int16Array {
  return Int16Array.from({ length: seconds * RATE }, (_, at) =>
    Math.round(32_767 * loud * Math.sin((2 * Math.PI * TONE_HZ * at) / RATE)),
  );
}

/** Nothing, for a while. */
export function silence(seconds: number): Int16Array {
  return new Int16Array(seconds * RATE);
}

/** One sound after the other. */
export function joined(...sounds: readonly Int16Array[]): Int16Array {
  const all = new Int16Array(sounds.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const sound of sounds) {
    all.set(sound, at);
    at += sound.length;
  }
  return all;
}
