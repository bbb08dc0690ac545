import { copyFile, mkdir } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { packagePath } from '../../src/std/package.ts';
import { temporaryFolder } from './node.ts';

/** Samples of the keyword flow whose names are no labels of it. */
const LABELS: Readonly<Record<string, string>> = { seven: '_unknown_', silence: '_silence_' };

/** A folder `<label>/*.wav` of the keyword flow's own samples, each so many times. */
export async function labelledSamples(names: readonly string[], copies: number): Promise<string> {
  const folder = await temporaryFolder();
  for (const name of names) {
    const from = packagePath('flows', 'keyword-spotting', 'samples', name);
    const word = basename(name, extname(name));
    const label = join(folder, LABELS[word] ?? word);
    await mkdir(label, { recursive: true });
    for (let copy = 0; copy < copies; copy += 1) {
      await copyFile(from, join(label, `${word}-${copy}.wav`));
    }
  }
  return folder;
}
