import { findFlow, loadOrFail, openWorkbench } from '../../src/cli/flow-folder.ts';
import { createEvent } from '../../src/flow/case.ts';
import { createPlan, type Plan } from '../../src/flow/plan.ts';
import { createMemoryState } from '../../src/flow/state.ts';
import type { NodeConfig } from '../../src/node/config.ts';
import { closeLoaded } from '../../src/node/flow-load.ts';
import type { NabFile } from './nab-data.ts';
import { bestThreshold, type NabScore, type NabSeries, scoreAtThreshold } from './nab-score.ts';

/** The folder of the benchmark that its README tells apart: anomalies whose cause is known. */
const KNOWN = 'realKnownCause';

/** One line of figures: the standard profile's score, 0 for saying nothing and 100 for perfect. */
export interface NabRow {
  readonly group: string;
  readonly files: number;
  readonly windows: number;
  /** With the flow's own threshold: nothing was chosen on these files. */
  readonly nabOwn: number;
  /** With the threshold that is best over all files, as the benchmark does. */
  readonly nab: number;
}

/**
 * Runs each file through a flow, in process, as a machine of its own, and scores how far each result
 * is above the flow's threshold. Rows without a result count as not anomalous.
 */
export async function evaluateNab(
  flow: string,
  files: readonly NabFile[],
  config: NodeConfig,
): Promise<readonly NabRow[]> {
  await using workbench = await openWorkbench(config);
  const loaded = await loadOrFail(await findFlow(flow, config), workbench);
  const plan = createPlan(loaded.parts, createMemoryState());
  const series: NabSeries[] = [];
  for (const file of files) series.push(await runFile(plan, file));
  await closeLoaded(loaded);
  const { threshold } = bestThreshold(series);
  const folders = [...new Set(series.map(({ name }) => folderOf(name)))];
  const row = (group: string, of: readonly NabSeries[]) => rowOf(group, of, threshold);
  const others = series.filter(({ name }) => folderOf(name) !== KNOWN);
  return [
    row('all', series),
    ...folders.map((folder) =>
      row(
        folder,
        series.filter(({ name }) => folderOf(name) === folder),
      ),
    ),
    ...(others.length > 0 && others.length < series.length
      ? [row(`all but ${KNOWN}`, others)]
      : []),
  ];
}

async function runFile(plan: Plan, { name, times, values, windows }: NabFile): Promise<NabSeries> {
  const scores = new Float64Array(values.length);
  const device = name.replace(/[^a-zA-Z0-9_-]/g, '-');
  for (const [row, value] of values.entries()) {
    const ts = times[row] as number;
    const payload = Buffer.from(JSON.stringify({ ts, value }));
    const topic = `ledge/in/sensor/${device}`;
    const { results } = await plan.process(createEvent({ device, topic, payload, ts }));
    scores[row] = strengthOf(results[0]?.result);
  }
  return { name, scores, windows };
}

/** Above 1 the flow says that it is an anomaly; 0 where it says nothing. */
function strengthOf(result: Readonly<Record<string, unknown>> | undefined): number {
  const { score, threshold } = result ?? {};
  return typeof score === 'number' && typeof threshold === 'number' ? score / threshold : 0;
}

function rowOf(group: string, series: readonly NabSeries[], threshold: number): NabRow {
  const figure = ({ normalised }: NabScore) => Number(normalised.toFixed(2));
  return {
    group,
    files: series.length,
    windows: series.reduce((sum, { windows }) => sum + windows.length, 0),
    nabOwn: figure(scoreAtThreshold(series, 1)),
    nab: figure(scoreAtThreshold(series, threshold)),
  };
}

function folderOf(name: string): string {
  return name.split('/')[0] ?? '';
}
