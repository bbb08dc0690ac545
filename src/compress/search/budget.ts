import { LedgeError } from '../../std/error.ts';
import { nearest } from '../../std/nearest.ts';

/** One thing that a compressed model must reach. Sizes are bytes, latency is after through before. */
export type BudgetTerm =
  | { readonly kind: 'accuracy'; readonly changePpMin: number }
  | { readonly kind: 'accuracy'; readonly percentMin: number }
  | { readonly kind: 'size'; readonly bytesMax: number }
  | { readonly kind: 'latency'; readonly ratioMax: number }
  | { readonly kind: 'memory'; readonly bytesMax: number }
  | { readonly kind: 'sqnr'; readonly decibelsMin: number };

/** Each kind occurs at most once. */
export type Budget = readonly BudgetTerm[];

interface Rule {
  readonly operator: '>=' | '<=';
  /** Words for a value, as errors tell them. */
  readonly expected: string;
  readonly units: Readonly<Record<string, (value: number) => BudgetTerm>>;
}

/** Decimal, as the sizes of reports are. */
const BYTES: Readonly<Record<string, number>> = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9 };

const bytesOf = (kind: 'size' | 'memory') =>
  Object.fromEntries(
    Object.entries(BYTES).map(([unit, factor]) => [
      unit,
      (value: number): BudgetTerm => ({ kind, bytesMax: Math.round(value * factor) }),
    ]),
  );

const RULES: Readonly<Record<BudgetTerm['kind'], Rule>> = {
  accuracy: {
    operator: '>=',
    expected: 'points lost as -0.5pp, or a share as 92%',
    units: {
      pp: (changePpMin) => ({ kind: 'accuracy', changePpMin }),
      '%': (percentMin) => ({ kind: 'accuracy', percentMin }),
    },
  },
  size: { operator: '<=', expected: 'a size as 2MB, 80kB or 512B', units: bytesOf('size') },
  latency: {
    operator: '<=',
    expected: 'a part of the time before, as 0.5x',
    units: { x: (ratioMax) => ({ kind: 'latency', ratioMax }) },
  },
  memory: { operator: '<=', expected: 'a size as 20MB', units: bytesOf('memory') },
  sqnr: {
    operator: '>=',
    expected: 'decibels as 30dB',
    units: { dB: (decibelsMin) => ({ kind: 'sqnr', decibelsMin }) },
  },
};

const NAMES = Object.keys(RULES) as readonly BudgetTerm['kind'][];

/**
 * Parses `accuracy>=-0.5pp,size<=2MB`: terms separated by commas, each a name, its operator and a
 * value with its unit; blanks do not count. Throws `config-invalid`, naming term and character.
 */
export function parseBudget(text: string): Budget {
  const terms: BudgetTerm[] = [];
  let at = 0;
  for (const [place, part] of text.split(',').entries()) {
    const begin = at + (part.length - part.trimStart().length);
    const fail = (column: number, expected: string) =>
      invalid({ place, part: part.trim(), column: begin + column, expected });
    const term = parseTerm(part.trim(), fail);
    if (terms.some(({ kind }) => kind === term.kind)) throw fail(0, `"${term.kind}" only once`);
    terms.push(term);
    at += part.length + 1;
  }
  return terms;
}

type Fail = (column: number, expected: string) => LedgeError;

function parseTerm(part: string, fail: Fail): BudgetTerm {
  const name = /^[a-z]*/i.exec(part)?.[0] ?? '';
  const kind = NAMES.find((one) => one === name);
  if (kind === undefined) {
    const near = nearest(name, NAMES);
    throw fail(0, near === undefined ? `one of ${NAMES.join(', ')}` : `did you mean "${near}"?`);
  }
  const { operator, units, expected } = RULES[kind];
  const afterName = skipBlanks(part, name.length);
  if (!part.startsWith(operator, afterName)) throw fail(afterName, `"${operator}" after "${kind}"`);
  const from = skipBlanks(part, afterName + operator.length);
  const number = /^[+-]?(\d+(\.\d+)?|\.\d+)/.exec(part.slice(from))?.[0];
  if (number === undefined) throw fail(from, expected);
  const unitAt = skipBlanks(part, from + number.length);
  const make = Object.hasOwn(units, part.slice(unitAt)) ? units[part.slice(unitAt)] : undefined;
  if (make === undefined) throw fail(unitAt, `a unit, ${Object.keys(units).join(' or ')}`);
  const value = Number(number);
  const problem = rangeProblem(kind, part.slice(unitAt), value);
  if (problem !== undefined) throw fail(from, problem);
  return make(value);
}

function rangeProblem(kind: BudgetTerm['kind'], unit: string, value: number): string | undefined {
  if (unit === '%') return value >= 0 && value <= 100 ? undefined : 'a share from 0% to 100%';
  if (unit === 'pp') return Math.abs(value) <= 100 ? undefined : 'points from -100pp to 100pp';
  if (kind === 'sqnr') return undefined;
  return value > 0 ? undefined : 'more than nothing';
}

function skipBlanks(text: string, from: number): number {
  return text.length - text.slice(from).trimStart().length;
}

/** A budget as it is written; parsing it gives the same terms. */
export function formatBudget(budget: Budget): string {
  return budget.map(formatTerm).join(',');
}

/** One term as it is written. */
export function formatTerm(term: BudgetTerm): string {
  if ('changePpMin' in term) return `accuracy>=${plain(term.changePpMin)}pp`;
  if ('percentMin' in term) return `accuracy>=${plain(term.percentMin)}%`;
  if ('ratioMax' in term) return `latency<=${plain(term.ratioMax)}x`;
  if ('decibelsMin' in term) return `sqnr>=${plain(term.decibelsMin)}dB`;
  const [unit, factor] = Object.entries(BYTES).findLast(
    ([, size]) => term.bytesMax >= size && term.bytesMax % size === 0,
  ) ?? ['B', 1];
  return `${term.kind}<=${term.bytesMax / factor}${unit}`;
}

/** Without an exponent, which the grammar has not. */
function plain(value: number): string {
  const text = String(value);
  return text.includes('e') ? value.toFixed(20).replace(/0+$/, '') : text;
}

interface Place {
  readonly place: number;
  readonly part: string;
  readonly column: number;
  readonly expected: string;
}

function invalid({ place, part, column, expected }: Place): LedgeError {
  const where = `term ${place + 1}, "${part}", at character ${column + 1}`;
  return new LedgeError('config-invalid', `Cannot read the budget: ${where}: ${expected}`, {
    context: { field: 'budget', value: part, character: column + 1, expected },
  });
}
