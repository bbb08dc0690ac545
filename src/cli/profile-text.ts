import type { Profiled } from '../compress/profile/chart.ts';
import {
  busyText,
  bytesText,
  msText,
  percentText,
  rateText,
} from '../compress/profile/figure-text.ts';
import type { FlowProfile, Profile } from '../compress/profile/profile.ts';
import { formatTable } from './table.ts';

/** The terminal has the slowest nodes; the page and the JSON have all. */
const NODES_TOLD = 15;
const OPERATORS_TOLD = 10;
const LARGEST_TOLD = 5;

/** A profile for the terminal: sentence, tables, memory. */
export function formatProfile({ models, flow }: Profiled): string {
  const parts = flow === undefined ? [] : [stepsText(flow)];
  return [...parts, ...models.map(modelText)].join('\n');
}

function stepsText({ flow, events, eventMs, steps }: FlowProfile): string {
  const rows = steps.map(({ step, stage, phase, values, ms, lowMs, highMs, share }) => ({
    step: `${step + 1} ${stage}`,
    phase,
    values: values.toFixed(1),
    time: msText(ms),
    'eight in ten': `${msText(lowMs)}-${msText(highMs)}`,
    share: percentText(share),
  }));
  const title = `Flow ${flow}: ${msText(eventMs)} for an event, over ${events} test events`;
  return `${title}\n\n${formatTable(rows)}`;
}

function modelText(profile: Profile): string {
  const { run, threads, samples, verdict, machine } = profile;
  const { nodesMs, betweenMs, total } = profile;
  const workers = `${threads} ${threads === 1 ? 'thread' : 'threads'}`;
  const given = `${samples.count} ${samples.kind} ${samples.count === 1 ? 'sample' : 'samples'}`;
  const range = `eight in ten of ${run.runs} runs ${msText(run.lowMs)}-${msText(run.highMs)}`;
  const roofs = [
    `${rateText(machine.floatGflops)} GFLOP/s float32`,
    `${rateText(machine.byteGflops)} 8-bit`,
    `${rateText(machine.gigabytesPerSecond)} GB/s through ${bytesText(machine.workingSetBytes)}`,
  ];
  return [
    `${profile.model}: ${msText(run.ms)} a run (${range}), ${workers}, ${given}`,
    '',
    verdict.sentence,
    `To try: ${recipeText(profile)}`,
    busyText(run),
    '',
    operatorsText(profile),
    nodesText(profile),
    memoryText(profile),
    `machine     ${roofs.join(', ')}`,
    `model       ${rateText(total.gflops) || '0'} GFLOP/s, ${rateText(total.gigabytesPerSecond) || '0'} GB/s; nodes ${msText(nodesMs)}, between them ${msText(betweenMs)}`,
    '',
  ]
    .filter((line, at, all) => line !== '' || all[at - 1] !== '')
    .join('\n');
}

function recipeText({ verdict }: Profile): string {
  const { recipe, advice } = verdict;
  return recipe === undefined
    ? `no recipe of ledge compress (${advice})`
    : `ledge compress --recipe ${recipe} (${advice})`;
}

function operatorsText({ operators, betweenMs, betweenShare }: Profile): string {
  const rows = operators.slice(0, OPERATORS_TOLD).map((one) => ({
    operator: one.operator,
    nodes: String(one.nodes),
    time: msText(one.ms),
    share: percentText(one.share),
    bytes: bytesText(one.bytes),
    'GFLOP/s': rateText(one.gflops),
    'GB/s': rateText(one.gigabytesPerSecond),
  }));
  const rest = operators.slice(OPERATORS_TOLD);
  const restMs = rest.reduce((sum, { ms }) => sum + ms, 0);
  const restShare = rest.reduce((sum, { share }) => sum + share, 0);
  const plain = (operator: string, ms: number, share: number) => ({
    operator,
    time: msText(ms),
    share: percentText(share),
  });
  return formatTable([
    ...rows,
    ...(rest.length > 0 ? [plain(`${rest.length} others`, restMs, restShare)] : []),
    plain('between nodes', betweenMs, betweenShare),
  ]);
}

function nodesText({ nodes }: Profile): string {
  const slowest = [...nodes].sort((a, b) => b.ms - a.ms).slice(0, NODES_TOLD);
  const rows = slowest.map((node) => ({
    node: node.name,
    operator: node.does === node.operator ? node.operator : `${node.operator} (${node.does})`,
    time: msText(node.ms),
    'eight in ten': `${msText(node.lowMs)}-${msText(node.highMs)}`,
    share: percentText(node.share),
    'GFLOP/s': rateText(node.gflops),
    'GB/s': rateText(node.gigabytesPerSecond),
    'held by': node.bound,
    'of its roof': percentText(node.roofShare),
  }));
  const more = nodes.length > slowest.length ? ` of ${nodes.length}` : '';
  return `The slowest ${slowest.length}${more} nodes:\n${formatTable(rows)}`;
}

function memoryText({ memory, loadMs }: Profile): string {
  const { weightBytes, activations, arenaBytes, residentBytes, peakBytes } = memory;
  const at = activations.peakAt === '' ? '' : ` (at ${activations.peakAt})`;
  const largest = memory.largest
    .slice(0, LARGEST_TOLD)
    .map(({ name, shape, bytes }) => `${name} [${shape.join(', ')}] ${bytesText(bytes)}`);
  return [
    `weights     ${bytesText(weightBytes)}`,
    `activations ${bytesText(activations.totalBytes)} in all, ${bytesText(activations.peakBytes)} at once${at}`,
    `runtime     allocator ${bytesText(arenaBytes)}, process +${bytesText(residentBytes)}, at most +${bytesText(peakBytes)}, loaded in ${msText(loadMs)}`,
    `largest     ${largest.join('; ')}`,
  ].join('\n');
}
