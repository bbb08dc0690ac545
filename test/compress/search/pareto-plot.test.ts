import { expect, test } from 'vitest';
import { paretoPlot } from '../../../src/compress/search/pareto-plot.ts';
import type { CandidateReport, SearchReport } from '../../../src/compress/search/search-report.ts';

function candidate(name: string, more: Partial<CandidateReport>): CandidateReport {
  return {
    name,
    formats: ['int8'],
    sizeBytes: 100_000,
    latencyRatio: 1,
    memoryBytes: 1,
    sqnrDb: 30,
    pareto: true,
    misses: [],
    ...more,
  };
}

const report: SearchReport = {
  budget: 'accuracy>=-1pp,size<=100kB',
  chosenBy: '',
  skipped: [],
  chosen: 'small & fast',
  candidates: [
    candidate('clean', { accuracy: 0.92, sizeBytes: 400_000 }),
    candidate('small & fast', { accuracy: 0.91, latencyRatio: 0.5 }),
    candidate('worse', { accuracy: 0.9, sizeBytes: 200_000, latencyRatio: 2, pareto: false }),
  ],
};

test('the picture has a mark for each candidate, faint ones and one in a ring', () => {
  const svg = paretoPlot(report);
  expect(svg.match(/<g opacity/g)).toHaveLength(3);
  expect(svg.match(/<g opacity="0.25"/g)).toHaveLength(1);
  expect(svg.match(/stroke-width="2"/g)).toHaveLength(1);
  expect(svg).toContain('small &amp; fast');
  expect(svg).toContain('accuracy, %');
  // Each opened element is closed: a browser shows nothing of a broken picture.
  expect(svg.match(/<(g|text|title|svg)\b/g)?.length).toBe(
    svg.match(/<\/(g|text|title|svg)>/g)?.length,
  );
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
});

test('larger is further right, more accurate is higher', () => {
  const [clean, small] = ['clean', 'small'].map((name) => {
    const at = new RegExp(`<text x="([\\d.]+)" y="([\\d.]+)">${name}`).exec(paretoPlot(report));
    return { x: Number(at?.[1]), y: Number(at?.[2]) };
  });
  expect(clean!.x).toBeGreaterThan(small!.x);
  expect(clean!.y).toBeLessThan(small!.y);
});

test('without accuracy the noise at the outputs is drawn, and nothing of nothing', () => {
  const [first] = report.candidates;
  const { accuracy: _, ...plain } = first!;
  const svg = paretoPlot({
    ...report,
    candidates: [{ ...plain, sqnrDb: Number.POSITIVE_INFINITY }],
  });
  expect(svg).toContain('signal to noise');
  expect(svg).not.toMatch(/NaN|Infinity/);
  expect(paretoPlot({ ...report, candidates: [] })).not.toMatch(/NaN|Infinity/);
});
