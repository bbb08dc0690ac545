import { bytesText } from '../bytes-text.ts';
import type { CandidateReport, SearchReport } from './search-report.ts';

const WIDTH = 760;
const HEIGHT = 460;
const MARGIN = { left: 70, right: 190, top: 50, bottom: 60 } as const;
const MARK = 7;
const LABEL_CHARACTERS_MAX = 34;
/** Outputs without noise are drawn here, where noise stands for accuracy. */
const SQNR_DB_TOP = 100;
/** What is further below the best is drawn at this edge: one ruined model must not press the rest. */
const POINTS_SHOWN = 10;
/** Room around the points, of their spread. */
const AIR = 0.08;

const LOWER_EDGE = `lowest: ${POINTS_SHOWN} points or more below`;

/** How a time is told: colour and shape, so that neither alone must be seen. */
const SPEEDS = [
  { ratioMax: 0.8, colour: '#1b7837', shape: 'circle', words: 'faster: at most 0.8x the time' },
  { ratioMax: 1.1, colour: '#2166ac', shape: 'square', words: 'as fast: up to 1.1x' },
  { ratioMax: Number.POSITIVE_INFINITY, colour: '#b2182b', shape: 'triangle', words: 'slower' },
] as const;

/** The candidates of a search as a picture: size across, accuracy (else noise) up, time by mark. */
export function paretoPlot(report: SearchReport): string {
  const { candidates } = report;
  const byAccuracy = candidates.every(({ accuracy }) => accuracy !== undefined);
  const value = (one: CandidateReport) =>
    byAccuracy ? 100 * (one.accuracy ?? 0) : Math.min(one.sqnrDb, SQNR_DB_TOP);
  const floor = byAccuracy ? Math.max(...candidates.map(value)) - POINTS_SHOWN : -SQNR_DB_TOP;
  const height = (one: CandidateReport) => Math.max(floor, value(one));
  const x = scale(
    candidates.map(({ sizeBytes }) => Math.log10(sizeBytes)),
    [MARGIN.left, WIDTH - MARGIN.right],
  );
  const y = scale(candidates.map(height), [HEIGHT - MARGIN.bottom, MARGIN.top]);
  const marks = [...candidates]
    .sort((a, b) => Number(a.pareto) - Number(b.pareto))
    .map((one) => {
      const place = { x: x.at(Math.log10(one.sizeBytes)), y: y.at(height(one)) };
      const chosen = one.name === report.chosen;
      return markOf(one, place, { chosen, named: chosen || (one.pareto && height(one) > floor) });
    });
  const title = `Candidates for ${report.budget}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" ` +
      `font-family="sans-serif" font-size="11" fill="#222">`,
    `<title>${inXml(title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${MARGIN.left}" y="24" font-size="14">${inXml(title)}</text>`,
    ...frame(
      x.ticks.map((tick) => ({ at: x.at(tick), text: bytesText(10 ** tick) })),
      y.ticks.map((tick) => ({ at: y.at(tick), text: tick.toFixed(byAccuracy ? 1 : 0) })),
      byAccuracy ? 'accuracy, %' : 'signal to noise at the outputs, dB',
    ),
    ...marks,
    ...legend(),
    '</svg>',
    '',
  ].join('\n');
}

interface Scale {
  at(value: number): number;
  readonly ticks: readonly number[];
}

const TICKS = 5;

function scale(values: readonly number[], [from, to]: readonly [number, number]): Scale {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const air = (high - low) * AIR || 1;
  const [first, last] = values.length === 0 ? [0, 1] : [low - air, high + air];
  return {
    at: (value) => round(from + ((value - first) / (last - first)) * (to - from)),
    ticks: Array.from({ length: TICKS }, (_, at) => first + ((last - first) * at) / (TICKS - 1)),
  };
}

interface Tick {
  readonly at: number;
  readonly text: string;
}

function frame(across: readonly Tick[], up: readonly Tick[], title: string): readonly string[] {
  const [bottom, right] = [HEIGHT - MARGIN.bottom, WIDTH - MARGIN.right];
  const middle = (MARGIN.top + bottom) / 2;
  return [
    ...up.map(
      ({ at, text }) =>
        `<path d="M${MARGIN.left} ${at}H${right}" stroke="#e4e4e4"/>` +
        `<text x="${MARGIN.left - 6}" y="${at + 4}" text-anchor="end">${text}</text>`,
    ),
    ...across.map(
      ({ at, text }) =>
        `<path d="M${at} ${MARGIN.top}V${bottom}" stroke="#e4e4e4"/>` +
        `<text x="${at}" y="${bottom + 16}" text-anchor="middle">${text}</text>`,
    ),
    `<path d="M${MARGIN.left} ${MARGIN.top}V${bottom}H${right}" fill="none" stroke="#222"/>`,
    `<text x="${(MARGIN.left + right) / 2}" y="${bottom + 36}" text-anchor="middle">` +
      'size of the model, logarithmic</text>',
    `<text transform="translate(18 ${middle}) rotate(-90)" text-anchor="middle">${title}</text>`,
  ];
}

interface Marking {
  readonly chosen: boolean;
  readonly named: boolean;
}

/** Dominated ones faint, the chosen one in a ring. */
function markOf(
  one: CandidateReport,
  { x, y }: { readonly x: number; readonly y: number },
  { chosen, named }: Marking,
): string {
  const { colour, shape } = SPEEDS.find(({ ratioMax }) => one.latencyRatio <= ratioMax)!;
  const name = one.name.slice(0, LABEL_CHARACTERS_MAX);
  const cost = `${bytesText(one.sizeBytes)}, ${one.latencyRatio.toFixed(2)}x the time`;
  const words = `${one.name}: ${cost}`;
  return [
    `<g opacity="${one.pareto || chosen ? 1 : 0.25}"><title>${inXml(words)}</title>`,
    shapeOf(shape, { x, y, colour }),
    ...(chosen
      ? [`<circle cx="${x}" cy="${y}" r="${MARK + 5}" fill="none" stroke="#222" stroke-width="2"/>`]
      : []),
    ...(named ? [`<text x="${x + MARK + 6}" y="${y - 5}">${inXml(name)}</text>`] : []),
    '</g>',
  ].join('');
}

function shapeOf(shape: string, { x, y, colour }: { x: number; y: number; colour: string }) {
  if (shape === 'circle') return `<circle cx="${x}" cy="${y}" r="${MARK}" fill="${colour}"/>`;
  if (shape === 'square') {
    const [left, top, side] = [round(x - MARK + 1), round(y - MARK + 1), 2 * MARK - 2];
    return `<rect x="${left}" y="${top}" width="${side}" height="${side}" fill="${colour}"/>`;
  }
  return `<path d="M${x} ${round(y - MARK)}l${MARK} ${2 * MARK}h${-2 * MARK}z" fill="${colour}"/>`;
}

function legend(): readonly string[] {
  const left = WIDTH - MARGIN.right + 16;
  const notes = ['in a ring: chosen', 'faint: another is nowhere worse', LOWER_EDGE];
  return [
    ...SPEEDS.map(({ shape, colour, words }, at) => {
      const y = MARGIN.top + 12 + at * 20;
      const mark = shapeOf(shape, { x: left, y: y - 4, colour });
      return `${mark}<text x="${left + 14}" y="${y}">${words}</text>`;
    }),
    ...notes.map(
      (text, at) =>
        `<text x="${left - 7}" y="${MARGIN.top + 12 + (SPEEDS.length + at) * 20}">${text}</text>`,
    ),
  ];
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function inXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
