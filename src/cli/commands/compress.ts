import { stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { listRecipes, loadRecipe } from '../../compress/recipe.ts';
import { type CompressReport, formatReport } from '../../compress/report.ts';
import { compressModel, MODEL_FILE } from '../../compress/run.ts';
import type { InputPart } from '../../infer/protocol.ts';
import { type LoadedModel, loadModel, MANIFEST_FILE } from '../../models/store.ts';
import { LedgeError } from '../../std/error.ts';
import { FREE } from '../../tensor/tensor.ts';
import type { Arguments, Command, Terminal } from '../command.ts';
import { findFlow } from '../flow-folder.ts';
import { configOf, NODE_OPTION_HELP, NODE_OPTIONS } from '../node-options.ts';
import { startProgress } from '../progress.ts';
import { recordInputs } from '../recorded-inputs.ts';
import { formatTable } from '../table.ts';

/** `ledge compress`: a model through a recipe of passes, with a report. */
export const compress: Command = {
  summary: 'Make a model smaller and faster by a recipe, and say what that cost',
  usage: 'compress <model.onnx|flow> --recipe <name|file> [--out DIR] | compress recipes',
  options: {
    ...NODE_OPTIONS,
    recipe: { type: 'string' },
    out: { type: 'string' },
    json: { type: 'boolean' },
  },
  optionHelp: {
    ...NODE_OPTION_HELP,
    recipe: 'a name of `ledge compress recipes`, or a YAML file',
    out: 'folder for the model and its report; default: compressed-<recipe> beside the model',
    json: 'the report as JSON',
  },
  examples: [
    'ledge compress recipes',
    'ledge compress model.onnx --recipe int8',
    'ledge compress keyword-spotting --recipe int8 --out small',
  ],
  async run(args, terminal) {
    const [target, ...rest] = args.positionals;
    if (target === 'recipes' && rest.length === 0) {
      terminal.stdout.write(formatTable(listRecipes().map((recipe) => ({ ...recipe }))));
      return 0;
    }
    const given = args.values.recipe;
    if (target === undefined || rest.length > 0 || typeof given !== 'string') {
      terminal.stderr.write(`Usage: ledge ${compress.usage}\n`);
      return 2;
    }
    return compressTarget(target, { given, args, terminal });
  },
};

interface Request {
  readonly given: string;
  readonly args: Arguments;
  readonly terminal: Terminal;
}

async function compressTarget(target: string, { given, args, terminal }: Request): Promise<number> {
  const recipe = await loadRecipe(given);
  const source = await findSource(target, args);
  const named = basename(given).replace(/\.ya?ml$/, '');
  const beside = join(dirname(source.file), `compressed-${named}`);
  const out = typeof args.values.out === 'string' ? args.values.out : beside;
  const progress = startProgress(terminal, recipe.passes.length + 2);
  const { model } = source;
  try {
    const report = await compressModel({
      file: source.file,
      recipe,
      out,
      signal: terminal.signal,
      onStep: (what) => progress.step(what),
      ...(source.samples && { samples: source.samples }),
      ...(model && { beside: (done) => new Map([[MANIFEST_FILE, manifestOf(model, done)]]) }),
    });
    progress.end();
    if (args.values.json === true) terminal.stdout.write(`${JSON.stringify(report)}\n`);
    else terminal.stdout.write(`${formatReport(report)}\nWritten to ${resolve(out)}\n`);
    return 0;
  } catch (error) {
    progress.end();
    if (terminal.signal.aborted) throw new LedgeError('closed', 'Stopped; nothing was written');
    throw error;
  }
}

interface Source {
  readonly file: string;
  readonly model?: LoadedModel;
  readonly samples?: readonly (readonly InputPart[])[];
}

/** A model's file, or that of a flow with what the flow's own events give it. */
async function findSource(target: string, args: Arguments): Promise<Source> {
  const state = await stat(target).catch(() => undefined);
  if (state?.isFile()) {
    if (target.endsWith('.onnx')) return { file: target };
    const model = await loadModel(target);
    return { file: model.file, model };
  }
  const config = await configOf(args);
  const { path, samples } = await recordInputs(await findFlow(target, config), config);
  const model = await loadModel(path);
  return { file: model.file, model, ...(samples.length > 0 && { samples }) };
}

/** The manifest of the new file: JSON, which is YAML. What was measured of the old one is left out. */
function manifestOf({ identity, summary, labels, manifest }: LoadedModel, report: CompressReport) {
  const plain = (shape: readonly number[]) => shape.map((size) => (size === FREE ? 'N' : size));
  const ends = (specs: LoadedModel['summary']['inputs']) =>
    specs.map(({ name, type, shape }) => ({ name, type, shape: plain(shape) }));
  const sha256 = report.files.find(({ name }) => name === MODEL_FILE)?.sha256;
  const stated = {
    name: identity.name,
    version: `${identity.version}+${report.recipe}`,
    file: MODEL_FILE,
    sha256,
    precision: precisionOf(report),
    inputs: ends(manifest?.inputs ?? summary.inputs),
    outputs: ends(manifest?.outputs ?? summary.outputs),
    ...(labels && { labels }),
    ...(manifest?.licence && { licence: manifest.licence }),
    origin: `${identity.name} ${identity.version}, compressed by the recipe ${report.recipe}`,
  };
  return `${JSON.stringify(stated, null, 2)}\n`;
}

/** Of most of the weights, as the passes left them. */
function precisionOf({ passes }: CompressReport): string {
  const ran = (name: string) =>
    passes.some(({ pass, done }) => pass === name && Object.keys(done).length > 0);
  if (ran('int4-block')) return 'int4';
  if (ran('int8-dynamic') || ran('int8-block') || ran('int8-static')) return 'int8';
  return ran('fp16') ? 'fp16' : 'fp32';
}
