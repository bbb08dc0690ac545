import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { decodeFlac } from '../../evaluate/decode-flac.ts';
import type { Example } from '../../node/lessons.ts';
import { relearnBackground } from '../../node/teach-background.ts';
import { type TeachReport, teachFlow } from '../../node/teach-flow.ts';
import { LedgeError } from '../../std/error.ts';
import { goBack, readTaught } from '../../teach/versions.ts';
import type { Arguments, Command, Terminal } from '../command.ts';
import { findFlow, openWorkbench } from '../flow-folder.ts';
import { configOf, NODE_OPTION_HELP, NODE_OPTIONS } from '../node-options.ts';
import { formatTable } from '../table.ts';

/** One example's file; a picture of 20 megapixels is below it. */
const FILE_BYTES_MAX = 33_554_432;
/** Files of one folder: more do not make a background better, and all are in memory. */
const FILES_MAX = 4_096;

/** `ledge teach`: a new label from a few examples, on the node. */
export const teach: Command = {
  summary: "Teach a flow's classifier a new label from a few examples, or take it back",
  usage:
    'teach <flow> --label NAME <file|folder...> [--others FOLDER] [--json] | teach <flow> [--back VERSION] | teach <flow> --background FOLDER',
  options: {
    ...NODE_OPTIONS,
    label: { type: 'string' },
    others: { type: 'string' },
    back: { type: 'string' },
    background: { type: 'string' },
    json: { type: 'boolean' },
  },
  optionHelp: {
    ...NODE_OPTION_HELP,
    label: 'what the examples are',
    others: 'folder of events that are something else',
    back: 'the version to go back to; 0 is the model as it came',
    background: 'learn from a folder of <label>/files what the known labels look like',
    json: 'the answer as JSON',
  },
  examples: [
    'ledge teach keyword-spotting --label lamp lamp-1.wav lamp-2.wav lamp-3.wav',
    'ledge teach surface-inspection --label scratch scratches/ --others good/',
    'ledge teach keyword-spotting',
    'ledge teach keyword-spotting --back 0',
  ],
  async run(args, terminal) {
    const [name, ...files] = args.positionals;
    const { label, back, background } = args.values;
    const asked = [label, back, background].filter((one) => one !== undefined).length;
    const lesson = typeof label === 'string';
    if (name === undefined || asked > 1 || lesson !== files.length > 0) {
      terminal.stderr.write(`Usage: ledge ${teach.usage}\n`);
      return 2;
    }
    const config = await configOf(args);
    const folder = await findFlow(name, config);
    if (lesson) return learn({ folder, label, files }, args, terminal);
    if (typeof background === 'string') return known({ folder, background }, args, terminal);
    if (typeof back === 'string') await goBack(folder, versionIn(back));
    return list(folder, args, terminal);
  },
};

interface Lesson {
  readonly folder: string;
  readonly label: string;
  readonly files: readonly string[];
}

async function learn({ folder, label, files }: Lesson, args: Arguments, terminal: Terminal) {
  const examples = await readExamples(files);
  const { others } = args.values;
  await using workbench = await openWorkbench(await configOf(args));
  const report = await teachFlow({
    ...workbench,
    folder,
    label,
    examples,
    ...(typeof others === 'string' && { others: await readExamples([others]) }),
  });
  if (args.values.json === true) terminal.stdout.write(`${JSON.stringify(report)}\n`);
  else terminal.stdout.write(formatReport(report));
  return 0;
}

function formatReport({ flow, version, taught, tests, solveMs }: TeachReport): string {
  const rows = taught.map(({ label, recognised, of, falseShare }) => ({
    label,
    examples: String(of),
    'known when left out': `${recognised} of ${of}`,
    'others taken for it': `${(100 * falseShare).toFixed(1)} %`,
  }));
  const learned = `learned in ${solveMs.toFixed(1)} ms`;
  const checked = `${tests.passed} of ${tests.of} tests of the flow pass`;
  const back = `ledge teach ${flow} --back ${version - 1}`;
  const told = `Version ${version}: ${learned}; ${checked}. To take it back: ${back}`;
  return `${formatTable(rows)}${told}\n`;
}

async function known(
  { folder, background }: { readonly folder: string; readonly background: string },
  args: Arguments,
  terminal: Terminal,
): Promise<number> {
  const events = await readExamples([background]);
  await using workbench = await openWorkbench(await configOf(args));
  const labels = await relearnBackground({ ...workbench, folder, events });
  if (args.values.json === true) terminal.stdout.write(`${JSON.stringify({ labels })}\n`);
  else {
    const rows = Object.entries(labels).map(([label, events]) => ({ label, events: `${events}` }));
    terminal.stdout.write(formatTable(rows));
  }
  return 0;
}

async function list(folder: string, args: Arguments, { stdout }: Terminal): Promise<number> {
  const { base, current, versions, lesson } = await readTaught(folder);
  const taught = (lesson?.taught ?? []).map(({ label, examples, leaveOneOut }) => ({
    label,
    examples: examples.length,
    leaveOneOut,
  }));
  const state = { flow: basename(folder), current, versions, labels: base.labels ?? [], taught };
  if (args.values.json === true) {
    stdout.write(`${JSON.stringify(state)}\n`);
    return 0;
  }
  const rows = taught.map(({ label, examples, leaveOneOut: { recognised, of } }) => ({
    label,
    examples: String(examples),
    'known when left out': `${recognised} of ${of}`,
  }));
  if (rows.length > 0) stdout.write(formatTable(rows));
  stdout.write(`Version ${current} of ${versions.join(', ')} is in force (0: as it came)\n`);
  return 0;
}

function versionIn(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new LedgeError(
    'config-invalid',
    `Cannot go back: --back is "${text}", no version's number`,
  );
}

/** The events of files, and of the files in folders, by path; FLAC decoded. */
async function readExamples(paths: readonly string[]): Promise<Example[]> {
  const files = (await Promise.all(paths.map(filesOf))).flat();
  const flac = files.filter((file) => file.endsWith('.flac')).map((file) => resolve(file));
  const decoded = flac.length > 0 ? await decodeFlac(flac, '/') : undefined;
  try {
    const examples: Example[] = [];
    for (const file of files) {
      const at = resolve(file);
      const readable = file.endsWith('.flac') && decoded ? decoded.wavOf(at) : at;
      examples.push({ name: basename(file), payload: await readExample(readable) });
    }
    return examples;
  } finally {
    if (decoded !== undefined) await rm(decoded.folder, { recursive: true, force: true });
  }
}

async function filesOf(path: string): Promise<string[]> {
  const state = await stat(path).catch(() => undefined);
  if (state === undefined)
    throw new LedgeError('not-found', `Cannot read ${path}: it is not there`);
  if (!state.isDirectory()) return [path];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const files = entries.filter(
    (one) => (one.isFile() || one.isSymbolicLink()) && !one.name.startsWith('.'),
  );
  if (files.length > FILES_MAX) {
    const found = `it has ${files.length} files, at most ${FILES_MAX} are read`;
    throw new LedgeError('payload-too-large', `Cannot read ${path}: ${found}`);
  }
  return files.map(({ parentPath, name }) => join(parentPath, name)).sort();
}

async function readExample(file: string): Promise<Uint8Array> {
  const { size } = await stat(file);
  if (size <= FILE_BYTES_MAX) return readFile(file);
  const state = `${size} bytes, at most ${FILE_BYTES_MAX}`;
  throw new LedgeError('payload-too-large', `Cannot read ${file}: ${state}`);
}
