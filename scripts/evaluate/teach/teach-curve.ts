import type { TeachRow } from './measure-teach.ts';

const WIDTH = 560;
const HEIGHT = 300;
const LEFT = 50;
const RIGHT = 170;
const TOP = 20;
const BOTTOM = 40;
const COLOURS = ['#1f77b4', '#d95f02', '#1b9e77', '#7570b3'];
const GRID = [0, 0.25, 0.5, 0.75, 1];

/** Recall, and what is taken for the label wrongly, over the number of examples: a chart as SVG. */
export function drawTeachCurve(rows: readonly TeachRow[], examples: readonly number[]): string {
  const sets = [...new Set(rows.map(({ set }) => set))];
  const x = (count: number) => {
    const at = Math.max(0, examples.indexOf(count));
    return LEFT + (at / Math.max(1, examples.length - 1)) * (WIDTH - LEFT - RIGHT);
  };
  const y = (share: number) => TOP + (1 - share) * (HEIGHT - TOP - BOTTOM);
  const line = (points: readonly [number, number][], style: string) => {
    const path = points
      .map(([at, share]) => `${x(at).toFixed(1)},${y(share).toFixed(1)}`)
      .join(' ');
    return `<polyline points="${path}" fill="none" ${style}/>`;
  };
  const lines = sets.flatMap((set, index) => {
    const own = rows.filter((row) => row.set === set);
    const colour = COLOURS[index % COLOURS.length] ?? '#000';
    const legend = TOP + 12 + index * 54;
    const at = WIDTH - RIGHT + 14;
    const label = (down: number, text: string) =>
      `<text x="${at}" y="${legend + down}" fill="${colour}">${text}</text>`;
    return [
      line(
        own.map((row): [number, number] => [row.examples, row.recall]),
        `stroke="${colour}" stroke-width="2"`,
      ),
      line(
        own.map((row): [number, number] => [row.examples, row.taken]),
        `stroke="${colour}" stroke-width="1.5" stroke-dasharray="5 3"`,
      ),
      label(0, set),
      label(14, '— told, other sources'),
      label(28, '- - known taken for it'),
    ];
  });
  const grid = GRID.flatMap((share) => [
    `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(share)}" y2="${y(share)}" stroke="#ddd"/>`,
    `<text x="${LEFT - 8}" y="${y(share) + 4}" text-anchor="end">${100 * share} %</text>`,
  ]);
  const ticks = examples.map(
    (count) => `<text x="${x(count)}" y="${HEIGHT - 20}" text-anchor="middle">${count}</text>`,
  );
  const middle = (LEFT + WIDTH - RIGHT) / 2;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="11">`,
    '<title>What is told rightly and wrongly, over the number of examples</title>',
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    ...grid,
    ...ticks,
    `<text x="${middle}" y="${HEIGHT - 4}" text-anchor="middle">examples of the new label</text>`,
    ...lines,
    '</svg>',
    '',
  ].join('\n');
}
