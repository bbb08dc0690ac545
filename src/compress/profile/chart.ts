import { bytesText, msText, percentText, rateText } from './figure-text.ts';
import { type IciclePart, icicleOf } from './icicle.ts';
import type { FlowProfile, NodeProfile, Profile } from './profile.ts';
import { xmlText } from './xml-text.ts';

/** What is drawn: a file's model, or a flow with its steps and models. */
export interface Profiled {
  readonly models: readonly Profile[];
  readonly flow?: FlowProfile;
}

const WIDTH = 1200;
const MARGIN = 12;
const ROW = 30;
const LINE = 18;
/** About a letter's width at the size of the labels. */
const LETTER = 6.4;
const LABEL_LETTERS_MIN = 3;
const SENTENCE_LETTERS = 165;

/** Colours by what holds a node, told apart by those who do not see red and green. */
const COLOURS = {
  compute: '#e69f00',
  memory: '#56b4e9',
  kernel: '#cc79a7',
  overhead: '#bbbbbb',
  scope: '#e8e4da',
  model: '#d5cfc0',
  infer: '#9fc79f',
  small: '#d9d9d9',
  between: '#efefef',
} as const;

const LEGEND = [
  ['compute', 'held by arithmetic'],
  ['memory', 'held by memory'],
  ['kernel', 'by its kernel'],
  ['overhead', 'by its call'],
  ['between', "the runtime's work between nodes"],
] as const;

/** An icicle chart as SVG: model, scopes of names, nodes; the width is the time, the colour what holds it. */
export function drawChart({ models, flow }: Profiled): string {
  const rows: string[] = [];
  let y = MARGIN;
  if (flow !== undefined) {
    rows.push(heading(`Flow ${flow.flow}: ${msText(flow.eventMs)} for an event`, y));
    y += LINE + 6;
    rows.push(drawSteps(flow, y));
    y += ROW + MARGIN;
  }
  for (const profile of models) {
    const { svg, height } = drawModel(profile, y);
    rows.push(svg);
    y += height + MARGIN;
  }
  rows.push(legend(y));
  y += LINE + MARGIN;
  const label = `Profile of ${flow?.flow ?? models[0]?.model ?? 'a model'}`;
  const size = `viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}"`;
  const style = 'text{font:12px system-ui,sans-serif;fill:#222}.h{font-weight:600;font-size:14px}';
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-label="${xmlText(label)}">`,
    `<style>${style}rect{stroke:#fff;stroke-width:.6}</style>`,
    `<rect width="${WIDTH}" height="${y}" fill="#fff"/>`,
    ...rows,
    '</svg>\n',
  ].join('\n');
}

function heading(text: string, y: number): string {
  return `<text class="h" x="${MARGIN}" y="${y + 14}">${xmlText(text)}</text>`;
}

function drawModel(profile: Profile, top: number): { svg: string; height: number } {
  const { threads } = profile;
  const root = icicleOf(profile);
  const workers = `${threads} ${threads === 1 ? 'thread' : 'threads'}`;
  const lines = [heading(`${profile.model}: ${msText(root.ms)} a run on ${workers}`, top)];
  let y = top + LINE + 2;
  for (const line of wrap(profile.verdict.sentence)) {
    lines.push(`<text x="${MARGIN}" y="${y + 12}">${xmlText(line)}</text>`);
    y += LINE;
  }
  y += 4;
  const depth = depthOf(root);
  const scale = { perMs: (WIDTH - 2 * MARGIN) / (root.ms || 1), top: y, totalMs: root.ms };
  const parts = drawPart(root, { x: MARGIN, level: 0 }, scale);
  return { svg: [...lines, ...parts].join('\n'), height: y - top + depth * ROW };
}

interface Scale {
  readonly perMs: number;
  readonly top: number;
  readonly totalMs: number;
}

function drawPart(
  part: IciclePart,
  { x, level }: { readonly x: number; readonly level: number },
  scale: Scale,
): string[] {
  const drawn = [
    box({
      x,
      y: scale.top + level * ROW,
      width: part.ms * scale.perMs,
      colour: COLOURS[part.kind === 'node' ? (part.node?.bound ?? 'overhead') : part.kind],
      label: part.label,
      title: titleOf(part, scale.totalMs),
    }),
  ];
  let at = x;
  for (const child of part.children) {
    drawn.push(...drawPart(child, { x: at, level: level + 1 }, scale));
    at += child.ms * scale.perMs;
  }
  return drawn;
}

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly colour: string;
  readonly label: string;
  readonly title: string;
}

function box({ x, y, width, colour, label, title }: Box): string {
  const letters = Math.floor((width - 6) / LETTER);
  const shown = label.length <= letters ? label : `${label.slice(0, Math.max(0, letters - 1))}…`;
  const text =
    letters >= LABEL_LETTERS_MIN
      ? `<text x="${short(x + 4)}" y="${short(y + ROW - 11)}">${xmlText(shown)}</text>`
      : '';
  const size = `x="${short(x)}" y="${short(y)}" width="${short(width)}" height="${ROW - 1}"`;
  return `<g><title>${xmlText(title)}</title><rect ${size} fill="${colour}"/>${text}</g>`;
}

function titleOf({ label, ms, kind, node }: IciclePart, totalMs: number): string {
  const time = `${msText(ms)}, ${percentText(totalMs > 0 ? ms / totalMs : 0)}`;
  if (node !== undefined) return nodeTitle(node, time);
  return kind === 'small' ? `${label} parts: ${time}` : `${label}: ${time}`;
}

function nodeTitle(node: NodeProfile, time: string): string {
  const { name, operator, does, gflops, gigabytesPerSecond, bytes, bound, roofShare } = node;
  const what = does === operator ? operator : `${operator}, for ${does}`;
  const rates = [
    gflops > 0 ? `${rateText(gflops)} GFLOP/s` : '',
    bytes > 0 ? `${rateText(gigabytesPerSecond)} GB/s, ${bytesText(bytes)}` : '',
    `held by ${bound}, ${percentText(roofShare)} of its roof`,
  ];
  return [`${name} (${what})`, time, ...rates.filter((one) => one !== '')].join('\n');
}

function drawSteps({ steps, eventMs }: FlowProfile, y: number): string {
  const perMs = (WIDTH - 2 * MARGIN) / (eventMs || 1);
  let x = MARGIN;
  return steps
    .map(({ stage, phase, ms, share }) => {
      const width = ms * perMs;
      const colour = phase === 'infer' ? COLOURS.infer : COLOURS.scope;
      const title = `${stage} (${phase}): ${msText(ms)}, ${percentText(share)}`;
      const drawn = box({ x, y, width, colour, label: stage, title });
      x += width;
      return drawn;
    })
    .join('\n');
}

function legend(y: number): string {
  let x = MARGIN;
  return LEGEND.map(([kind, text]) => {
    const mark = `<rect x="${short(x)}" y="${y}" width="14" height="14" fill="${COLOURS[kind]}"/>`;
    const drawn = `${mark}<text x="${short(x + 19)}" y="${y + 12}">${xmlText(text)}</text>`;
    x += 40 + text.length * (LETTER - 0.6);
    return drawn;
  }).join('\n');
}

function depthOf({ children }: IciclePart): number {
  return 1 + Math.max(0, ...children.map(depthOf));
}

function wrap(sentence: string): readonly string[] {
  const lines = [''];
  for (const word of sentence.split(' ')) {
    const line = lines.at(-1) ?? '';
    if (line.length + word.length + 1 > SENTENCE_LETTERS) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines;
}

function short(value: number): string {
  return String(Math.round(value * 100) / 100);
}
