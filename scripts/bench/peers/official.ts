import { spawn } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { mountTrixie, whyNoTrixie } from './trixie.ts';

const SCRIPT = fileURLToPath(new URL('quantise.py', import.meta.url));
/** Where the folder with the models lies inside the other root. */
const INSIDE = '/tmp/ledge-compress';

/** One input of a sample, its numbers in a file of the folder. */
export interface SampleFile {
  readonly name: string;
  readonly file: string;
  /** As numpy calls it. */
  readonly type: string;
  readonly shape: readonly number[];
}

/** What the official tool is to make, with names of files in the folder. */
export type OfficialJob = { readonly from: string; readonly to: string } & (
  | { readonly kind: 'dynamic'; readonly perChannel: boolean; readonly signed: boolean }
  | { readonly kind: 'blocks'; readonly block: number; readonly symmetric: boolean }
  | {
      readonly kind: 'static';
      readonly method: 'min-max' | 'entropy' | 'percentile';
      readonly samples: readonly (readonly SampleFile[])[];
    }
);

export type Official =
  | { readonly kind: 'absent'; readonly reason: string }
  | {
      readonly kind: 'made';
      readonly version: string;
      /** Why a file was not made, by its name. */
      readonly failures: ReadonlyMap<string, string>;
    };

interface Line {
  readonly version?: string;
  readonly to?: string;
  readonly error?: string;
}

/** Runs onnxruntime.quantization of a Debian trixie on the models of `folder`. */
export async function quantiseOfficially(
  root: string,
  folder: string,
  jobs: readonly OfficialJob[],
): Promise<Official> {
  const reason = whyNoTrixie(root);
  if (reason !== undefined) return { kind: 'absent', reason };
  const unmount = mountTrixie(root, { [INSIDE]: folder });
  try {
    copyFileSync(SCRIPT, join(folder, 'quantise.py'));
    const told = jobs.map((job) => withPaths(job));
    const lines = await linesOf('chroot', [
      root,
      'python3',
      `${INSIDE}/quantise.py`,
      JSON.stringify(told),
    ]);
    const version = lines.find((line) => line.version !== undefined)?.version;
    if (version === undefined)
      return { kind: 'absent', reason: 'the official tool does not start' };
    const made = new Set(
      lines.map(({ to, error }) => (error === undefined ? basename(to ?? '') : '')),
    );
    const failures = jobs
      .filter(({ to }) => !made.has(to))
      .map(({ to }) => {
        const line = lines.find((one) => basename(one.to ?? '') === to);
        return [to, line?.error ?? 'it ended without a word'] as const;
      });
    return { kind: 'made', version, failures: new Map(failures) };
  } finally {
    unmount();
  }
}

function withPaths(job: OfficialJob) {
  const place = (name: string) => `${INSIDE}/${name}`;
  const paths = { from: place(job.from), to: place(job.to) };
  if (job.kind !== 'static') return { ...job, ...paths };
  const samples = job.samples.map((sample) =>
    sample.map((one) => ({ ...one, file: place(one.file) })),
  );
  return { ...job, ...paths, samples };
}

/** What a program writes as lines of JSON; its own messages are not ours. */
async function linesOf(command: string, args: readonly string[]): Promise<readonly Line[]> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const lines: Line[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith('{')) lines.push(JSON.parse(line) as Line);
  }
  return lines;
}
