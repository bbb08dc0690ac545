import { drawChart, type Profiled } from './chart.ts';
import { busyText, bytesText, msText, percentText, rateText } from './figure-text.ts';
import type { FlowProfile, Profile } from './profile.ts';
import { xmlText } from './xml-text.ts';

const STYLE = `
body{font:15px/1.45 system-ui,sans-serif;color:#222}
body{margin:2rem auto;max-width:1240px;padding:0 1rem}
svg{max-width:100%;height:auto}
table{border-collapse:collapse;margin:.6rem 0 1.6rem;font-size:13px}
th,td{padding:.2rem .7rem;text-align:left;border-bottom:1px solid #ddd;white-space:nowrap}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
tr:hover{background:#f6f4ee}
.wide{overflow-x:auto}`;

/** One page with everything in it: chart, sentences, tables. It is XML as well, and needs no script. */
export function formatPage(profiled: Profiled): string {
  const { models, flow } = profiled;
  const name = flow === undefined ? (models[0]?.model ?? 'model') : `flow ${flow.flow}`;
  const title = xmlText(`Profile of ${name}`);
  return [
    '<!DOCTYPE html>',
    '<html xmlns="http://www.w3.org/1999/xhtml" lang="en"><head><meta charset="utf-8"/>',
    `<title>${title}</title><style>${STYLE}</style></head><body>`,
    `<h1>${title}</h1>`,
    drawChart(profiled),
    ...(flow === undefined ? [] : [stepsTable(flow)]),
    ...models.flatMap(modelSection),
    '</body></html>\n',
  ].join('\n');
}

function stepsTable({ steps, events }: FlowProfile): string {
  const rows = steps.map(({ step, stage, phase, values, ms, lowMs, highMs, share }) => [
    `${step + 1} ${stage}`,
    phase,
    values.toFixed(1),
    msText(ms),
    `${msText(lowMs)} to ${msText(highMs)}`,
    percentText(share),
  ]);
  const heads = ['step', 'phase', '#values', '#an event', '#eight in ten', '#share'];
  return `<h2>Steps, over ${events} test events</h2>${table(heads, rows)}`;
}

function modelSection(profile: Profile): string[] {
  const { verdict, memory, machine } = profile;
  const { weightBytes, activations, arenaBytes, residentBytes, peakBytes } = memory;
  const recipe = verdict.recipe === undefined ? 'no recipe' : `recipe ${verdict.recipe}`;
  const room = [
    `weights ${bytesText(weightBytes)}`,
    `values between nodes ${bytesText(activations.totalBytes)} in all, ${bytesText(activations.peakBytes)} at once`,
    `the runtime's allocator ${bytesText(arenaBytes)}`,
    `the process grew by ${bytesText(residentBytes)}, at most ${bytesText(peakBytes)}`,
  ];
  const roofs = [
    `${rateText(machine.floatGflops)} GFLOP/s in float32`,
    `${rateText(machine.byteGflops)} in 8 bits`,
    `${rateText(machine.gigabytesPerSecond)} GB/s through ${bytesText(machine.workingSetBytes)}`,
  ];
  return [
    `<h2>${xmlText(profile.model)}</h2>`,
    `<p>${xmlText(verdict.sentence)} To try: ${xmlText(recipe)} (${xmlText(verdict.advice)}). ${xmlText(busyText(profile.run))}</p>`,
    `<p>Memory: ${xmlText(room.join('; '))}. This machine: ${xmlText(roofs.join(', '))}.</p>`,
    operatorsTable(profile),
    nodesTable(profile),
    largestTable(profile),
  ];
}

function operatorsTable({ operators, betweenMs, betweenShare }: Profile): string {
  const rows = operators.map((one) => [
    one.operator,
    String(one.nodes),
    msText(one.ms),
    percentText(one.share),
    bytesText(one.bytes),
    rateText(one.gflops),
    rateText(one.gigabytesPerSecond),
  ]);
  rows.push(['between nodes', '', msText(betweenMs), percentText(betweenShare), '', '', '']);
  const heads = ['operator', '#nodes', '#time', '#share', '#bytes', '#GFLOP/s', '#GB/s'];
  return `<h3>Operators</h3>${table(heads, rows)}`;
}

function nodesTable({ nodes }: Profile): string {
  const rows = nodes.map((node) => [
    node.name,
    node.operator,
    node.does,
    String(node.calls),
    msText(node.ms),
    `${msText(node.lowMs)} to ${msText(node.highMs)}`,
    percentText(node.share),
    bytesText(node.bytes),
    rateText(node.gflops),
    rateText(node.gigabytesPerSecond),
    node.bound,
    percentText(node.roofShare),
  ]);
  const heads = 'node,operator,of the file,#calls,#time,#eight in ten,#share,#bytes,#GFLOP/s,#GB/s'
    .split(',')
    .concat('held by', '#of its roof');
  return `<h3>Nodes, in the order in which they run</h3>${table(heads, rows)}`;
}

function largestTable({ memory }: Profile): string {
  const rows = memory.largest.map(({ name, kind, shape, bytes }) => [
    name,
    kind,
    `[${shape.join(', ')}]`,
    bytesText(bytes),
  ]);
  return `<h3>Largest tensors</h3>${table(['tensor', 'kind', 'shape', '#bytes'], rows)}`;
}

/** A head that begins with # is of numbers. */
function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const numeric = heads.map((head) => head.startsWith('#'));
  const cell = (tag: string, text: string, at: number) =>
    `<${tag}${numeric[at] ? ' class="n"' : ''}>${xmlText(text)}</${tag}>`;
  const head = heads.map((text, at) => cell('th', text.replace(/^#/, ''), at)).join('');
  const body = rows.map(
    (row) => `<tr>${row.map((text, at) => cell('td', text, at)).join('')}</tr>`,
  );
  return `<div class="wide"><table><tr>${head}</tr>\n${body.join('\n')}</table></div>`;
}
