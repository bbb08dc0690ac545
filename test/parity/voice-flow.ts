import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadOrFail, openWorkbench } from '../../src/cli/flow-folder.ts';
import { createEvent } from '../../src/flow/case.ts';
import { createPlan } from '../../src/flow/plan.ts';
import { createMemoryState } from '../../src/flow/state.ts';
import { configSchema } from '../../src/node/config.ts';
import { encodeWav } from '../../src/signal/wav.ts';
import { packagePath } from '../../src/std/package.ts';
import { temporaryFolder } from '../harness/node.ts';

export type FlowResult = Readonly<Record<string, unknown>>;

export const RATE_HZ = 16_000;

/** A flow of docs/voice-models.md with the real models. */
export interface VoiceFlow extends AsyncDisposable {
  /** What one payload of a device gives; a failed event throws. */
  process(device: string, payload: Uint8Array): Promise<readonly FlowResult[]>;
}

/** Opens the flow that the page calls `name`, its model files copied from `models`, by file name. */
export async function openVoiceFlow(
  name: string,
  models: Readonly<Record<string, string>>,
): Promise<VoiceFlow> {
  const root = await temporaryFolder();
  const folder = join(root, name);
  await mkdir(folder);
  await writeFile(join(folder, 'flow.yaml'), await flowText(name));
  for (const [file, path] of Object.entries(models)) await copyFile(path, join(folder, file));
  const workbench = await openWorkbench(configSchema.parse({}));
  const { parts } = await loadOrFail(folder, workbench);
  const plan = createPlan(parts, createMemoryState());
  let count = 0;
  return {
    async process(device, payload) {
      count += 1;
      const topic = `ledge/in/voice/${device}`;
      const event = createEvent({ device, topic, payload, ts: count * 100 });
      const { end, results } = await plan.process(event);
      if (end.kind === 'fail') throw end.error;
      return results.map(({ result }) => result);
    },
    async [Symbol.asyncDispose]() {
      await plan.close();
      await workbench[Symbol.asyncDispose]();
      await rm(root, { recursive: true });
    },
  };
}

/** The YAML block of the page whose first line names the flow's file. */
async function flowText(name: string): Promise<string> {
  const page = await readFile(packagePath('docs', 'voice-models.md'), 'utf8');
  const start = page.indexOf(`\`\`\`yaml\n# flows/${name}/flow.yaml\n`);
  if (start < 0) throw new Error(`docs/voice-models.md has no flow ${name}`);
  return page.slice(page.indexOf('\n', start) + 1, page.indexOf('\n```', start));
}

/** A clip as a WAV file of 16 bits. */
export function wavOf(samples: Float32Array): Uint8Array {
  return encodeWav(samples, RATE_HZ);
}

/** A signal as raw 16-bit samples in pieces, as a microphone sends it. */
export function* piecesOf(samples: Float32Array, seconds = 0.1): Generator<Uint8Array> {
  const size = Math.round(seconds * RATE_HZ);
  for (let start = 0; start < samples.length; start += size) {
    yield encodeWav(samples.subarray(start, start + size), RATE_HZ).subarray(44);
  }
}

/** A clip behind so much silence. */
export function afterSilence(clip: Float32Array, seconds: number): Float32Array {
  const samples = new Float32Array(seconds * RATE_HZ + clip.length);
  samples.set(clip, seconds * RATE_HZ);
  return samples;
}
