import { relative, resolve } from 'node:path';
import { rungsOf } from '../../models/manifest.ts';
import { type LoadedModel, type LoadedRung, listModels, loadModel } from '../../models/store.ts';
import { flowsFolder } from '../../node/node.ts';
import { type Inspection, inspectModel, type OnnxSummary } from '../../onnx/inspect.ts';
import { FREE, type NamedTensorSpec } from '../../tensor/tensor.ts';
import type { Arguments, Command, Terminal } from '../command.ts';
import { exportMachine } from '../export-machine.ts';
import { configOf, NODE_OPTION_HELP, NODE_OPTIONS } from '../node-options.ts';
import { formatTable } from '../table.ts';

/** `ledge model`: which models there are, what one is, and what a machine learned as one. */
export const model: Command = {
  summary: 'List models, say what one is, or write what a machine learned as one',
  usage:
    'model list [folder] [--json] | model inspect <model.onnx|model.yaml> [--json] | ' +
    'model export <flow> --out DIR [--device ID] [--rows FILE]',
  options: {
    ...NODE_OPTIONS,
    device: { type: 'string' },
    rows: { type: 'string' },
    out: { type: 'string' },
    json: { type: 'boolean' },
  },
  optionHelp: {
    ...NODE_OPTION_HELP,
    device: 'export: the device whose kept state is taken; default: machine',
    rows: 'export: records to learn from, .jsonl or .csv, in place of a kept state',
    out: 'export: folder for the model, its manifest and a flow that runs it',
    json: 'the answer as JSON',
  },
  examples: [
    'ledge model list',
    'ledge model inspect flows/keyword-spotting/model.onnx',
    'ledge model inspect flows/keyword-spotting/model.yaml',
    'ledge model inspect model.onnx --json',
    'ledge model export machine-anomaly --device pump-3 --out flows/pump-3',
    'ledge model export machine-anomaly --rows week.csv --out flows/pump-3',
  ],
  async run(args, terminal) {
    const [action, target, ...rest] = args.positionals;
    if (action === 'list' && rest.length === 0) return list(target, args, terminal);
    if (action === 'inspect' && target !== undefined && rest.length === 0) {
      const manifest = /\.ya?ml$/.test(target);
      return manifest ? inspectAll(target, args, terminal) : inspect(target, args, terminal);
    }
    const { out } = args.values;
    if (action === 'export' && target !== undefined && typeof out === 'string') {
      return exportLearned({ flow: target, out }, args, terminal);
    }
    terminal.stderr.write(`Usage: ledge ${model.usage}\n`);
    return 2;
  },
};

async function exportLearned(
  { flow, out }: { readonly flow: string; readonly out: string },
  args: Arguments,
  { stdout }: Terminal,
): Promise<number> {
  const { rows, device } = args.values;
  const request = {
    flow,
    out,
    device: typeof device === 'string' ? device : 'machine',
    rows: typeof rows === 'string' ? rows : undefined,
  };
  const report = await exportMachine(request, await configOf(args));
  if (args.values.json === true) {
    stdout.write(`${JSON.stringify(report)}\n`);
    return 0;
  }
  const { learned, from, fields, modelBytes } = report;
  const took = learned === undefined ? '' : ` in ${Math.ceil(learned.tookMs)} ms`;
  stdout.write(
    `Learned from ${from}${took}: ${fields.join(', ')}\n` +
      `Written to ${resolve(out)}: ${modelBytes.toLocaleString('en')} bytes of model\n`,
  );
  return 0;
}

async function list(folder: string | undefined, args: Arguments, terminal: Terminal) {
  const root = folder ?? (await flowsFolder({}));
  const found = await listModels(root);
  const models = found.map((one) =>
    one.kind === 'model'
      ? {
          path: one.path,
          name: one.manifest.name,
          version: one.manifest.version,
          precision: one.manifest.precision,
          labels: one.manifest.labels?.length ?? 0,
          licence: one.manifest.licence ?? '',
          ...(one.manifest.ladder && { rungs: rungsOf(one.manifest).map(({ name }) => name) }),
        }
      : { path: one.path, problem: one.error.message },
  );
  if (args.values.json === true) terminal.stdout.write(`${JSON.stringify({ models })}\n`);
  else if (models.length === 0) terminal.stdout.write(`There are no models under ${root}\n`);
  else {
    const rows = models.map(({ path, ...fields }) => ({
      path: relative('', path),
      ...Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, String(value)])),
    }));
    terminal.stdout.write(formatTable(rows));
  }
  return found.some(({ kind }) => kind === 'invalid') ? 1 : 0;
}

/** A model with its manifest: every rung of its ladder, checked as a flow's start would. */
async function inspectAll(path: string, args: Arguments, terminal: Terminal) {
  const loaded = await loadModel(path);
  const { identity, labels, rungs } = loaded;
  if (args.values.json === true) {
    const { name, version } = identity;
    const told = rungs.map(({ file, sha256, summary, identity: { rung, precision } }, index) => {
      const accuracy = accuracyOf(loaded, index);
      return { rung, file, sha256, ...figuresOf(summary), precision, accuracy };
    });
    terminal.stdout.write(`${JSON.stringify({ path, name, version, labels, rungs: told })}\n`);
  } else {
    const parts = rungs.map((rung, index) => rungReport(rung, accuracyOf(loaded, index)));
    terminal.stdout.write(`${identity.name} ${identity.version}\n${parts.join('')}`);
  }
  return 0;
}

type Accuracy = NonNullable<LoadedModel['manifest']>['accuracy'];

function accuracyOf({ manifest }: LoadedModel, index: number): Accuracy {
  return manifest === undefined ? undefined : rungsOf(manifest)[index]?.accuracy;
}

function rungReport({ file, summary, identity }: LoadedRung, accuracy: Accuracy = []): string {
  const named = identity.rung === undefined ? '' : `rung ${identity.rung}: `;
  const measured = accuracy.map(
    ({ metric, value, data, count }) => `  ${metric.padEnd(12)}${value} (${data}, ${count})\n`,
  );
  return `${named}${reportOf(file, { summary, problems: [] })}${measured.join('')}`;
}

async function inspect(file: string, args: Arguments, terminal: Terminal) {
  const inspection = await inspectModel(file);
  const { summary, problems } = inspection;
  const admitted = problems.length === 0;
  if (args.values.json === true) {
    const answer = { file, admitted, problems, ...(summary && figuresOf(summary)) };
    terminal.stdout.write(`${JSON.stringify(answer)}\n`);
  } else terminal.stdout.write(reportOf(file, inspection));
  return admitted ? 0 : 1;
}

/** A summary as machines read it: free dimensions are `N`, as in model.yaml. */
function figuresOf(summary: OnnxSummary) {
  const { fileBytes, opsets, inputs, outputs, ...rest } = summary;
  return {
    inputs: inputs.map(withNames),
    outputs: outputs.map(withNames),
    opset: opsets[''] ?? null,
    opsets,
    size: fileBytes,
    ...rest,
  };
}

function withNames({ name, type, shape }: NamedTensorSpec) {
  return { name, type, shape: shape.map((size) => (size === FREE ? 'N' : size)) };
}

function reportOf(file: string, { summary, problems }: Inspection): string {
  const lines = [file];
  const tell = (title: string, text: string) => lines.push(`  ${title.padEnd(12)}${text}`);
  if (summary !== undefined) {
    for (const spec of summary.inputs) tell('input', formatSpec(spec));
    for (const spec of summary.outputs) tell('output', formatSpec(spec));
    const opsets = Object.entries(summary.opsets);
    tell(
      'opset',
      opsets.map(([domain, version]) => `${domain || 'ai.onnx'} ${version}`).join(', '),
    );
    tell('precision', summary.precision);
    tell('parameters', summary.parameters.toLocaleString('en'));
    tell('size', `${summary.fileBytes.toLocaleString('en')} bytes`);
    const operators = Object.entries(summary.operators).sort((a, b) => b[1] - a[1]);
    tell('operators', operators.map(([name, count]) => `${name} ${count}`).join(', '));
    if (summary.producer !== '') tell('made by', summary.producer);
  }
  tell('admitted', problems.length === 0 ? 'yes' : 'no');
  for (const { where, message } of problems) tell('problem', `${where}: ${message}`);
  return `${lines.join('\n')}\n`;
}

function formatSpec(spec: NamedTensorSpec): string {
  const { name, type, shape } = withNames(spec);
  return `${name} ${type} [${shape.join(', ')}]`;
}
