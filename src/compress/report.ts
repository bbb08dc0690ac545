import { type Accuracy, formatAccuracy } from '../evaluate/accuracy.ts';
import type { BoardReport } from './board-limits.ts';
import { bytesText } from './bytes-text.ts';
import type { Difference } from './compare.ts';
import type { Latency } from './measure-latency.ts';
import type { LayerDifference } from './measure-layers.ts';
import type { ProbeAnswer } from './measure-load.ts';
import type { PassReport } from './pass.ts';
import { formatSearch, type SearchReport } from './search/search-report.ts';

/** A file that was written, beside the model. */
export interface WrittenFile {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** What a run of a recipe did to a model, and what that costs and gives. */
export interface CompressReport {
  readonly model: string;
  readonly recipe: string;
  readonly passes: readonly (PassReport & { readonly bytes: number })[];
  readonly files: readonly WrittenFile[];
  readonly size: { readonly before: number; readonly after: number };
  /** Float32 numbers that are still weights, and the largest of them: what no pass reached. */
  readonly floatsLeft: { readonly bytes: number; readonly largest: readonly string[] };
  readonly load: { readonly before: ProbeAnswer; readonly after: ProbeAnswer };
  readonly latency: Latency;
  readonly samples: { readonly kind: 'made' | 'recorded'; readonly count: number };
  readonly error: Difference;
  readonly worstLayers: readonly LayerDifference[];
  /** Of the flow: on labelled data, else on its own tests; absent where only a model was given. */
  readonly accuracy?: Accuracy;
  readonly tests?: Accuracy;
  readonly board?: BoardReport;
  readonly search?: SearchReport;
}

/** Lists in the text are cut; the JSON has all. */
const LEFT_TOLD_MAX = 20;

/** The report as a page of Markdown. */
export function formatReport(report: CompressReport): string {
  const { size, load, latency, error } = report;
  const lines = [
    `# ${report.model}, recipe ${report.recipe}`,
    '',
    '| | before | after | ratio |',
    '| --- | ---: | ---: | ---: |',
    row('size', [size.before, size.after], bytesText),
    row('load time', [load.before.loadMs, load.after.loadMs], (ms) => `${ms.toFixed(1)} ms`),
    row('peak memory at load', [load.before.peakBytes, load.after.peakBytes], bytesText),
    row('memory after a run', [load.before.residentBytes, load.after.residentBytes], bytesText),
    row('one run', [latency.beforeMs, latency.afterMs], (ms) => `${ms.toFixed(3)} ms`),
    '',
    `Speed: ${latency.speedup.toFixed(2)}x (eight in ten of ${latency.rounds} rounds, in turns, ` +
      `between ${latency.speedupLow.toFixed(2)}x and ${latency.speedupHigh.toFixed(2)}x), one thread.`,
    '',
    `Outputs on ${report.samples.count} ${report.samples.kind} samples: max error ` +
      `${short(error.maxError)}, mean error ${short(error.meanError)}, largest value ` +
      `${short(error.maxMagnitude)}, signal to noise ${decibels(error.sqnrDb)}.`,
    '',
    ...accuracyLines(report),
    ...boardLines(report),
    '## Passes',
    '',
    ...report.passes.flatMap(passLines),
  ];
  if (report.floatsLeft.bytes > 0) {
    const { bytes, largest } = report.floatsLeft;
    lines.push(`Float32 weights left: ${bytesText(bytes)}, the largest ${largest.join(', ')}.`, '');
  }
  if (report.worstLayers.length > 0) {
    lines.push('## Worst layers', '', '| layer | operator | signal to noise | max error |');
    lines.push('| --- | --- | ---: | ---: |');
    for (const { layer, operator, sqnrDb, maxError } of report.worstLayers) {
      lines.push(`| ${layer} | ${operator} | ${decibels(sqnrDb)} | ${short(maxError)} |`);
    }
    lines.push('');
  }
  if (report.search !== undefined) lines.push(...formatSearch(report.search));
  lines.push('## Files', '', '| file | bytes | SHA-256 |', '| --- | ---: | --- |');
  for (const { name, bytes, sha256 } of report.files)
    lines.push(`| ${name} | ${bytes} | ${sha256} |`);
  return `${lines.join('\n')}\n`;
}

function accuracyLines({ accuracy, tests }: CompressReport): string[] {
  if (accuracy === undefined) {
    const lacks =
      'a model file has no evaluation of its own; give a flow, with --data for its data';
    return [`Accuracy: not measured, ${lacks}.`, ''];
  }
  const lines = [`Accuracy of the flow: ${formatAccuracy(accuracy)}.`];
  if (accuracy.before.low !== undefined) {
    lines.push(
      "In brackets: Wilson's interval, in which the true share lies with 95 % confidence.",
    );
  }
  const more = Object.entries(accuracy.after.metrics).map(
    ([name, value]) => `${name} ${accuracy.before.metrics[name] ?? '-'} -> ${value}`,
  );
  if (more.length > 0) lines.push(`All figures: ${more.join(', ')}.`);
  if (tests !== undefined && tests !== accuracy)
    lines.push(`Its own tests: ${formatAccuracy(tests)}.`);
  return [...lines, ''];
}

function boardLines({ board }: CompressReport): string[] {
  if (board === undefined) return [];
  const { needsBytes, memoryBudgetBytes, copies, title, precision, formats, providers } = board;
  return [
    `${title}: ${bytesText(needsBytes)} in ${copies} copies, of ${bytesText(memoryBudgetBytes)}; ` +
      `weights in ${formats.join(' and ')}, the board has ${precision.join(', ')}; it would run ` +
      `on ${providers.join(', else ')}. ${board.note}`,
    '',
  ];
}

function row(
  title: string,
  [before, after]: readonly [number, number],
  text: (value: number) => string,
): string {
  const ratio = after > 0 ? `${(before / after).toFixed(2)}x` : '';
  return `| ${title} | ${text(before)} | ${text(after)} | ${ratio} |`;
}

function passLines({ pass, done, left, bytes }: PassReport & { bytes: number }): string[] {
  const did = Object.entries(done).map(([what, times]) => `${what}: ${times}`);
  const lines = [`- **${pass}** (${bytesText(bytes)}): ${did.join('; ') || 'nothing to do'}`];
  for (const { where, reason } of left.slice(0, LEFT_TOLD_MAX)) {
    lines.push(`  - left ${where}: ${reason}`);
  }
  if (left.length > LEFT_TOLD_MAX) lines.push(`  - and ${left.length - LEFT_TOLD_MAX} more`);
  return [...lines, ''];
}

function short(value: number): string {
  return value === 0 ? '0' : value.toPrecision(3);
}

function decibels(value: number): string {
  return Number.isFinite(value) ? `${value.toFixed(1)} dB` : 'no noise';
}
