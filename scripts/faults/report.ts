import type { Report } from './scenario.ts';

const COLUMNS = ['published', 'arrived', 'lost', 'duplicates', 'disordered'] as const;
const NAME_WIDTH = 18;
const WIDTH = 12;

/** The reports as a table for people, each with its further figures below it. */
export function formatReports(reports: readonly Report[]): string {
  const heads = COLUMNS.map((column) => column.padStart(WIDTH)).join('');
  return `${''.padEnd(NAME_WIDTH)}${heads}  met\n${reports.map(formatReport).join('')}`;
}

function formatReport(report: Report): string {
  if (report.skipped !== undefined) {
    return `${report.name.padEnd(NAME_WIDTH)}  SKIPPED: ${report.skipped}\n`;
  }
  const numbers = COLUMNS.map((column) => String(report[column]).padStart(WIDTH)).join('');
  const figures = Object.entries(report.figures).map(([name, value]) => `${name} ${value}`);
  const below = [figures.join(', '), ...report.unmet.map((what) => `NOT MET: ${what}`)];
  return [
    `${report.name.padEnd(NAME_WIDTH)}${numbers}  ${report.met ? 'yes' : 'NO'}`,
    ...below.filter((line) => line !== '').map((line) => `    ${line}`),
    '',
  ].join('\n');
}
