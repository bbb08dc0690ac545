import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { drawChart, type Profiled } from '../../../src/compress/profile/chart.ts';
import { formatPage } from '../../../src/compress/profile/page.ts';
import { madeProfile, nodeProfile } from '../../fixtures/profile.ts';
import { xmlProblem } from '../../harness/xml.ts';

const names = ['/stem/Conv', '/body/0/Conv', '/body/0/Relu', '/body/1/a&b', '/head/"<q>\u0001\n'];
const nodes = names.map((name, at) => nodeProfile({ name, ms: 10 - at }));
const crowd = Array.from({ length: 300 }, (_, at) =>
  nodeProfile({ name: `/crowd/n${at}`, ms: 0.001 }),
);

const profiled: Profiled = {
  models: [madeProfile([...nodes, ...crowd], 2)],
  flow: {
    flow: 'made & tested',
    events: 3,
    eventMs: 4,
    steps: [
      {
        step: 0,
        stage: 'audio',
        phase: 'decode',
        values: 1,
        ms: 1,
        lowMs: 1,
        highMs: 1,
        share: 0.25,
      },
      {
        step: 1,
        stage: 'predict',
        phase: 'infer',
        values: 1,
        ms: 3,
        lowMs: 2,
        highMs: 4,
        share: 0.75,
      },
    ],
  },
};

/** Titles as a reader of the chart sees them. */
function titles(svg: string): string[] {
  const entities = { amp: '&', lt: '<', gt: '>', quot: '"' } as const;
  return [...svg.matchAll(/<title>([^<]*)<\/title>/g)].map(([, text = '']) =>
    text.replace(/&(\w+);/g, (whole, name: keyof typeof entities) => entities[name] ?? whole),
  );
}

/** Boxes by their label's title: place and size. */
function boxes(svg: string) {
  const found =
    /<title>([^<]*)<\/title><rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"/g;
  return [...svg.matchAll(found)].map(([, title = '', x, y, width]) => ({
    title,
    x: Number(x),
    y: Number(y),
    width: Number(width),
  }));
}

describe('the chart', () => {
  const svg = drawChart(profiled);

  test('is well-formed XML that a renderer takes', async () => {
    expect(xmlProblem(svg)).toBeUndefined();
    const { format, width } = await sharp(Buffer.from(svg)).metadata();
    expect({ format, width }).toEqual({ format: 'svg', width: 1200 });
  });

  test('has every node of more than half a per cent, and the rest together', () => {
    const told = titles(svg);
    for (const name of names.slice(0, 4)) {
      expect(told.filter((title) => title.startsWith(`${name} (MatMul)`))).toHaveLength(1);
    }
    expect(told.filter((title) => title.includes('<q>'))).toHaveLength(1);
    expect(told.filter((title) => title.startsWith('300 smaller'))).toHaveLength(1);
    expect(told.filter((title) => title.startsWith('between nodes'))).toHaveLength(1);
  });

  test('gives each part the width of its time, within that of its scope', () => {
    const all = boxes(svg);
    const widthOf = (start: string) => all.find(({ title }) => title.startsWith(start))?.width;
    const whole = widthOf('made.onnx') ?? 0;
    const totalMs = 10 + 9 + 8 + 7 + 6 + 0.3 + 2;
    expect(widthOf('/stem/Conv')).toBeCloseTo((whole * 10) / totalMs, 1);
    expect(widthOf('body')).toBeCloseTo((whole * 24) / totalMs, 1);
    expect(widthOf('audio')).toBeCloseTo(whole / 4, 1);
    for (const { x, width } of all) expect(x + width).toBeLessThanOrEqual(1200 - 12 + 0.05);
  });

  test('groups by operator where names have no scopes', () => {
    const flat = drawChart({
      models: [
        madeProfile([
          nodeProfile({ name: 'a', ms: 1, operator: 'Conv' }),
          nodeProfile({ name: 'b', ms: 2 }),
        ]),
      ],
    });
    expect(titles(flat).map((title) => title.split(/[ :]/)[0])).toEqual([
      'made.onnx',
      'Conv',
      'a',
      'MatMul',
      'b',
    ]);
  });

  test('of nothing is a chart all the same', () => {
    expect(xmlProblem(drawChart({ models: [madeProfile([], 0)] }))).toBeUndefined();
  });
});

describe('the page', () => {
  const page = formatPage(profiled);

  test('is well-formed, has no script, and asks no other place for anything', () => {
    expect(xmlProblem(page)).toBeUndefined();
    expect(page).not.toMatch(/<script|\ssrc=|href=|@import|url\(/);
  });

  test('has the sentence, every node, every step and the largest tensors', () => {
    expect(page).toContain('of the time');
    expect(page.match(/<tr><td>\/crowd\//g)).toHaveLength(300);
    for (const text of ['/body/1/a&amp;b', '1 audio', '2 predict', 'a &lt;weight&gt;']) {
      expect(page).toContain(`<td>${text}</td>`);
    }
  });
});

test.each([
  ['<a><b></a></b>', false],
  ['<a>', false],
  ['<a x="1" y="&lt;"><b/>text &amp; more</a>', true],
  ['<a>&nbsp;</a>', false],
  ['<a>1 < 2</a>', false],
  ['<a x=1></a>', false],
])('the check of these tests takes %s: %s', (text, fine) => {
  expect(xmlProblem(text) === undefined).toBe(fine);
});
