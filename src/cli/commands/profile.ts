import { rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { drawChart, type Profiled } from '../../compress/profile/chart.ts';
import { formatPage } from '../../compress/profile/page.ts';
import type { Profile } from '../../compress/profile/profile.ts';
import { type ProfileOptions, profileModel } from '../../compress/profile/profile-model.ts';
import { loadModel } from '../../models/store.ts';
import { LedgeError } from '../../std/error.ts';
import type { Arguments, Command, Terminal } from '../command.ts';
import { findFlow } from '../flow-folder.ts';
import { configOf, NODE_OPTION_HELP, NODE_OPTIONS } from '../node-options.ts';
import { formatProfile } from '../profile-text.ts';
import { startProgress } from '../progress.ts';
import { recordAllInputs } from '../recorded-inputs.ts';
import { timeSteps } from '../step-times.ts';

/** `ledge profile`: where the time and the memory of a model or a flow go. */
export const profile: Command = {
  summary: 'Say where the time and the memory of a model go, and what holds it back',
  usage:
    'profile <model.onnx|model.yaml|flow> [--threads N] [--runs N] [--size NAME=N] [--html FILE] [--svg FILE] [--json]',
  options: {
    ...NODE_OPTIONS,
    threads: { type: 'string' },
    runs: { type: 'string' },
    size: { type: 'string', multiple: true },
    html: { type: 'string' },
    svg: { type: 'string' },
    json: { type: 'boolean' },
  },
  optionHelp: {
    ...NODE_OPTION_HELP,
    threads: 'threads that one run uses; default 1',
    runs: 'exactly so many runs; default up to 100 in a few seconds',
    size: 'a free dimension, by symbol or input.axis: --size sequence=64; others are 1',
    html: 'a page with chart and tables goes to this file',
    svg: 'the chart alone goes to this file',
    json: 'every figure as JSON',
  },
  examples: [
    'ledge profile model.onnx',
    'ledge profile keyword-spotting --html profile.html',
    'ledge profile decoder.onnx --threads 2 --size sequence=64 --json',
  ],
  async run(args, terminal) {
    const [target, ...rest] = args.positionals;
    if (target === undefined || rest.length > 0) {
      terminal.stderr.write(`Usage: ledge ${profile.usage}\n`);
      return 2;
    }
    const settings = settingsOf(args);
    for (const path of [args.values.html, args.values.svg]) {
      if (typeof path === 'string') await refuseUnwritable(path);
    }
    const profiled = await profileTarget(target, { settings, args, terminal }).catch(
      (error: unknown) => {
        if (terminal.signal.aborted) throw new LedgeError('closed', 'Stopped; nothing was written');
        throw error;
      },
    );
    await writeFiles(profiled, args);
    if (args.values.json === true) terminal.stdout.write(`${JSON.stringify(profiled)}\n`);
    else terminal.stdout.write(formatProfile(profiled));
    return 0;
  },
};

type Settings = Pick<ProfileOptions, 'threads' | 'runs' | 'sizes'>;

/** More threads than processors only wait for each other; the largest boards have 64. */
const THREADS_MAX = 64;
const RUNS_MAX = 10_000;
/** As a recipe's `samples.sizes`. */
const SIZE_MAX = 1_000_000;

function settingsOf({ values }: Arguments): Settings {
  const threads = wholeNumber('--threads', values.threads, THREADS_MAX);
  const runs = wholeNumber('--runs', values.runs, RUNS_MAX);
  const given = Array.isArray(values.size) ? values.size : [];
  const sizes = given.map((text): [string, number] => {
    const [, name = '', size] = /^(.+)=([^=]*)$/.exec(String(text)) ?? [];
    if (name === '') throw invalid('--size', String(text), 'NAME=N');
    return [name, wholeNumber(`--size ${name}`, size, SIZE_MAX) ?? 1];
  });
  return {
    ...(threads !== undefined && { threads }),
    ...(runs !== undefined && { runs }),
    sizes: Object.fromEntries(sizes),
  };
}

function wholeNumber(option: string, value: unknown, max: number): number | undefined {
  if (value === undefined) return undefined;
  const text = String(value);
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= 1 && number <= max) return number;
  throw invalid(option, text, `a whole number from 1 to ${max}`);
}

function invalid(option: string, value: string, expected: string): LedgeError {
  const message = `Cannot take ${option}: expected ${expected}, got "${value}"`;
  return new LedgeError('config-invalid', message, { context: { option, value, expected } });
}

interface Request {
  readonly settings: Settings;
  readonly args: Arguments;
  readonly terminal: Terminal;
}

async function profileTarget(target: string, request: Request): Promise<Profiled> {
  const { settings, args, terminal } = request;
  const { signal } = terminal;
  const state = await stat(target).catch(() => undefined);
  if (state?.isFile()) {
    const file = target.endsWith('.onnx') ? target : (await loadModel(target)).file;
    return { models: [await profileModel({ file, ...settings, signal })] };
  }
  const config = await configOf(args);
  const folder = await findFlow(target, config);
  const recorded = await recordAllInputs(folder, { config, signal });
  const progress = startProgress(terminal, recorded.length + 1);
  const models: Profile[] = [];
  try {
    progress.step('steps of the flow');
    const flow = await timeSteps(folder, config, signal);
    for (const { path, samples } of recorded) {
      progress.step(basename(path));
      const { file } = await loadModel(path);
      models.push(await profileModel({ file, ...settings, samples, signal }));
    }
    return { models, flow };
  } finally {
    progress.end();
  }
}

async function writeFiles(profiled: Profiled, { values }: Arguments): Promise<void> {
  if (typeof values.html === 'string') await writeWhole(values.html, formatPage(profiled));
  if (typeof values.svg === 'string') await writeWhole(values.svg, drawChart(profiled));
}

/** Told before anything is measured: that takes a while. */
async function refuseUnwritable(path: string): Promise<void> {
  const folder = dirname(path);
  const state = await stat(folder).catch(() => undefined);
  if (state?.isDirectory()) return;
  throw new LedgeError('data-unwritable', `Cannot write ${path}: there is no folder ${folder}`);
}

/** A file comes to its place whole, or not at all. */
async function writeWhole(path: string, text: string): Promise<void> {
  const partial = `${path}.partial-${process.pid}`;
  try {
    await writeFile(partial, text);
    await rename(partial, path);
  } catch (cause) {
    await rm(partial, { force: true });
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new LedgeError('data-unwritable', `Cannot write ${path}: ${reason}`, { cause });
  }
}
