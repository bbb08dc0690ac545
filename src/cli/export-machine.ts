import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { openOutputFolder, REPORT_FILE } from '../compress/output-folder.ts';
import { MODEL_FILE } from '../compress/run.ts';
import { BASELINE_STATE, createBaselineModel } from '../models/baseline-model.ts';
import { loadModel, MANIFEST_FILE } from '../models/store.ts';
import type { NodeConfig } from '../node/config.ts';
import { closeLoaded } from '../node/flow-load.ts';
import { encodeModel } from '../onnx/graph.ts';
import { DEVIATIONS_MAX } from '../signal/learned-normal.ts';
import type { BaselineConfig } from '../stages/preprocess/baseline.ts';
import { LedgeError } from '../std/error.ts';
import { parseYaml } from '../std/yaml.ts';
import { exportFlow } from './exported-flow.ts';
import { findFlow, loadOrFail, openWorkbench } from './flow-folder.ts';
import {
  findBaseline,
  keptMachine,
  type LearnedMachine,
  learnMachine,
  stateFolderOf,
} from './learned-machine.ts';

export interface ExportRequest {
  readonly flow: string;
  /** The device whose kept state is taken, and the model's name ends with. */
  readonly device: string;
  /** Records to learn from in place of a kept state. */
  readonly rows: string | undefined;
  readonly out: string;
}

/** What was written; beside it in the folder as report.json. */
export interface ExportReport {
  readonly flow: string;
  readonly device: string;
  readonly from: string;
  readonly fields: readonly string[];
  readonly window: number;
  readonly modelBytes: number;
  readonly sha256: string;
  /** Where it was learned here: from how many records, and in what time. */
  readonly learned?: { readonly rows: number; readonly tookMs: number };
}

/**
 * Writes what a machine learned as a flow of its own: an ONNX model, its manifest, and a flow.yaml with
 * tests. The folder comes to its place whole, or not at all.
 * Throws LedgeError: not-found, unsupported, payload-invalid, value-invalid, data-unwritable.
 */
export async function exportMachine(
  request: ExportRequest,
  config: NodeConfig,
): Promise<ExportReport> {
  const folder = await findFlow(request.flow, config);
  await using workbench = await openWorkbench(config);
  const loaded = await loadOrFail(folder, workbench);
  const { steps } = loaded.parts;
  const found = findBaseline(steps, loaded.file.steps);
  const machine =
    request.rows === undefined
      ? await keptMachine(found, {
          folder: stateFolderOf(config.data, loaded.parts.name),
          device: request.device,
        })
      : await learnMachine(found, request.rows);
  const bytes = encodeModel(createBaselineModel(partsOf(machine, found.config)));
  const name = `${loaded.parts.name}-${request.device}`;
  const title = `Tells when ${request.device} is not normal, by a model of what it learned.`;
  const files = await exportFlow(await writtenFlow(folder), { machine, steps, title });
  await closeLoaded(loaded);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const report: ExportReport = {
    flow: loaded.parts.name,
    device: request.device,
    from: machine.from,
    fields: machine.state.names,
    window: found.config.window,
    modelBytes: bytes.length,
    sha256,
    ...(machine.learned && { learned: machine.learned }),
  };
  await using output = await openOutputFolder(request.out);
  const texts = new Map([
    ...files,
    [MANIFEST_FILE, manifestOf(machine, { name, sha256, flow: loaded.parts.name })],
    [REPORT_FILE, `${JSON.stringify(report, null, 2)}\n`],
  ]);
  await output.write(MODEL_FILE, [{ offset: 0, data: bytes }]);
  for (const [file, text] of texts) {
    await output.write(file, [{ offset: 0, data: Buffer.from(text) }]);
  }
  // What the node would refuse never comes to its place.
  await loadModel(join(output.path, MANIFEST_FILE));
  await output.commit();
  return report;
}

function partsOf({ state }: LearnedMachine, { window, adaptEvents, adaptBelow }: BaselineConfig) {
  const { names, normal, reference, recent } = state;
  const { mean, scale, whiten } = normal;
  const deviationsMax = DEVIATIONS_MAX;
  const learned = { names, mean, scale, whiten, reference, recent };
  return { ...learned, deviationsMax, window, adaptEvents, adaptBelow };
}

/** flow.yaml as it was written, without defaults. */
async function writtenFlow(folder: string): Promise<Readonly<Record<string, unknown>>> {
  const path = join(folder, 'flow.yaml');
  const yaml = parseYaml(await readFile(path, 'utf8'), path);
  if (yaml.kind === 'ok') return yaml.value.value as Readonly<Record<string, unknown>>;
  throw new LedgeError('flow-invalid', `Cannot read ${resolve(path)} again: it has changed`);
}

/** JSON, which is YAML. */
function manifestOf(
  { state, from }: LearnedMachine,
  { name, sha256, flow }: { readonly name: string; readonly sha256: string; readonly flow: string },
): string {
  const n = state.names.length;
  const window = state.recent.length / n;
  const [row, rows] = [
    { type: 'float64', shape: ['N', n] },
    { type: 'float64', shape: ['N', window, n] },
  ];
  const states = Object.entries(BASELINE_STATE).map(([from, to]) => `${from} comes back as ${to}`);
  const manifest = {
    name,
    version: sha256.slice(0, 8),
    file: MODEL_FILE,
    sha256,
    precision: 'fp32',
    inputs: [
      { name: 'fields', ...row },
      { name: 'recent', ...rows },
      { name: 'drift', ...row },
    ],
    outputs: [
      { name: 'deviation', type: 'float32', shape: ['N', n] },
      { name: 'score', type: 'float32', shape: ['N'] },
      { name: 'recent_next', ...rows },
      { name: 'drift_next', ...row },
    ],
    labels: state.names,
    origin: `Learned by the flow ${flow} from ${from}; written by ledge model export`,
    description: [
      `How far the mean of the last ${window} records is from normal, by field and together.`,
      'A score of 1 is what 99 of 100 learned windows stayed below.',
      `States begin with zeros: ${states.join(', ')}.`,
    ].join(' '),
  };
  return `${JSON.stringify(manifest, null, 2)}\n`;
}
