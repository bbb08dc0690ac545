import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEvent } from '../../../src/flow/case.ts';
import { mfcc } from '../../../src/stages/preprocess/mfcc.ts';

/** A clip as the keyword model takes it. */
export interface KeywordClip {
  readonly part: 'train' | 'dev';
  readonly label: string;
  /** [49, 10]: frames of coefficients. */
  readonly features: Float32Array;
}

/** The reference model's labels, in its order. */
export const KEYWORD_LABELS = 'down go left no off on right stop up yes _silence_ _unknown_'.split(
  ' ',
);
export const FEATURE_SHAPE = [49, 10, 1] as const;

const RATE_HZ = 16_000;
/** Files decoded by one ffmpeg: starting it takes longer than decoding a clip. */
const FILES_PER_RUN = 64;
/** The front end that the model was trained with (docs/voice-models.md). */
const FRONT_END = {
  convention: 'tensorflow',
  normalise: 'peak',
  frameSamples: 480,
  hopSamples: 320,
  fftSize: 512,
  melBands: 40,
  lowHz: 20,
  highHz: 4000,
  coefficients: 10,
};

/** Every labelled clip of the Speech Commands set, through the stage that a flow has. Needs ffmpeg. */
export async function readKeywordClips(root: string): Promise<readonly KeywordClip[]> {
  const extract = await openFrontEnd();
  const clips: KeywordClip[] = [];
  for (const part of ['train', 'dev'] as const) {
    const files = readdirSync(join(root, part)).flatMap((label) =>
      readdirSync(join(root, part, label))
        .filter((name) => name.endsWith('.flac'))
        .map((name) => ({ label, path: join(root, part, label, name) })),
    );
    for (let from = 0; from < files.length; from += FILES_PER_RUN) {
      const some = files.slice(from, from + FILES_PER_RUN);
      const sounds = decode(some.map(({ path }) => path));
      for (const [at, { label }] of some.entries()) {
        clips.push({ part, label, features: await extract(sounds[at]!) });
      }
    }
  }
  return clips;
}

/** A second of samples in -1..1 of each file; what is shorter ends in silence. */
function decode(files: readonly string[]): readonly Float32Array[] {
  const folder = mkdtempSync(join(tmpdir(), 'ledge-clips-'));
  try {
    const inputs = files.flatMap((file) => ['-i', file]);
    const outputs = files.flatMap((_, at) =>
      ['-map', String(at), '-ac', '1', '-ar', String(RATE_HZ), '-f', 's16le'].concat(
        join(folder, `${at}.raw`),
      ),
    );
    execFileSync('ffmpeg', ['-nostdin', '-v', 'error', ...inputs, ...outputs]);
    return files.map((_, at) => {
      const bytes = readFileSync(join(folder, `${at}.raw`));
      const samples = new Float32Array(RATE_HZ);
      const count = Math.min(RATE_HZ, bytes.length >> 1);
      for (let place = 0; place < count; place += 1) {
        samples[place] = bytes.readInt16LE(2 * place) / 32_768;
      }
      return samples;
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function openFrontEnd(): Promise<(samples: Float32Array) => Promise<Float32Array>> {
  const shape = [RATE_HZ];
  const compiled = await mfcc.create(mfcc.schema.parse(FRONT_END), {
    input: { kind: 'tensor', type: 'float32', shape, sampleRateHz: RATE_HZ },
    named: () => undefined,
    flow: 'bench',
    folder: '.',
    priority: 'normal',
  });
  const step = compiled.open();
  const event = createEvent({ device: 'bench', topic: 'bench', payload: new Uint8Array(), ts: 0 });
  return async (data) => {
    const value = { kind: 'tensor', type: 'float32', shape, data } as const;
    const outcome = await step.run(value, { event, named: () => undefined });
    if (outcome.kind !== 'emit' || outcome.value.kind !== 'tensor') {
      throw new Error('the front end gave no features');
    }
    return outcome.value.data as Float32Array;
  };
}
