import { randomOf } from '../../../../src/compress/sample-inputs.ts';
import { DISTILGPT2 } from '../../../compress/language-model.ts';
import { createRow, type Row, skippedRow } from '../../row.ts';
import { compareLogits, type LogitError } from '../compare-logits.ts';
import { type DecodeProcess, startDecoding } from '../decode-process.ts';
import { type LanguageFile, makeLanguageFiles, OFFICIAL, TIED, UNTIED } from '../language-files.ts';
import { pytorchEngines, startPytorch } from '../pytorch.ts';
import type { CompressBench, SectionResult } from '../section.ts';
import { formatSpread, ratiosOf, type Spread, spreadOf, takeTurns } from '../turns.ts';
import { languageTable } from './language-table.ts';

/** What the goals are held on, as the issue states them. */
const THREADS = 2;
/** Tokens of one turn: long enough to time, short enough that a slow moment meets all alike. */
const TOKENS_PER_TURN = 8;
/** Logits are compared after each of so many tokens. */
const COMPARED_TOKENS = 64;
const VOCABULARY = DISTILGPT2.vocabulary;
const CACHE = {
  layers: DISTILGPT2.layers,
  heads: DISTILGPT2.heads,
  size: DISTILGPT2.width / DISTILGPT2.heads,
};

/** A file with all that was measured of it. */
export interface MeasuredLanguage extends LanguageFile {
  /** Nothing of a peer whose weights are others. */
  readonly error: LogitError | undefined;
  readonly tokensPerSecond: Spread;
  readonly residentBytes: number;
  /** Tokens per second of each round. */
  readonly rounds: readonly number[];
}

/** DistilGPT-2's shape: size, speed, error and memory, beside the official tool and PyTorch. */
export async function measureDistilgpt2(bench: CompressBench): Promise<SectionResult> {
  const { made, official } = await makeLanguageFiles(bench);
  const processes = new Map<string, DecodeProcess>();
  const stop = () => {
    for (const one of processes.values()) one.stop();
  };
  try {
    for (const { name, file } of made) {
      const settings = { file, cache: CACHE, threads: THREADS, vocabulary: VOCABULARY };
      processes.set(name, await startDecoding(settings, bench.folder));
    }
    const measured = await measureAll(bench, made, processes);
    const peers = await measurePytorch(bench);
    const version = official.kind === 'made' ? official.version : '';
    return {
      rows: [...goalRows(measured), ...peers.rows],
      tables: [languageTable(measured, { version, threads: THREADS }), ...peers.tables],
    };
  } finally {
    stop();
  }
}

async function measureAll(
  bench: CompressBench,
  made: readonly LanguageFile[],
  processes: ReadonlyMap<string, DecodeProcess>,
): Promise<readonly MeasuredLanguage[]> {
  const random = randomOf(7);
  const tokens = Array.from({ length: COMPARED_TOKENS }, () => Math.floor(random() * VOCABULARY));
  const reference = await processes.get(TIED)!.logits(tokens);
  const errors = new Map<string, LogitError>();
  const resident = new Map<string, number>();
  for (const [name, one] of processes) {
    resident.set(name, one.ready.residentBytes);
    errors.set(name, compareLogits(reference, await one.logits(tokens), VOCABULARY));
  }
  bench.say(`distilgpt2: ${bench.rounds} rounds of decoding in turns`);
  const names = made.map(({ name }) => name);
  const rounds = await takeTurns(names, bench.rounds, async (name) => {
    const { ms } = await processes.get(name)!.decode(TOKENS_PER_TURN);
    return (1000 * TOKENS_PER_TURN) / ms;
  });
  return made.map((one) => ({
    ...one,
    error: errors.get(one.name),
    rounds: rounds.get(one.name)!,
    tokensPerSecond: spreadOf(rounds.get(one.name)!),
    residentBytes: resident.get(one.name)!,
  }));
}

function goalRows(measured: readonly MeasuredLanguage[]): readonly Row[] {
  const of = (name: string) => measured.find((one) => one.name === name);
  const [untied, tied, official] = [of(UNTIED)!, of(TIED)!, of(OFFICIAL)];
  const eight = ['language-int8', 'language-mixed'].flatMap((name) => {
    const one = of(name)!;
    return [
      smaller(`${name}: smaller than fp32 with a head of its own`, [untied, one], 5.5),
      smaller(`${name}: smaller than fp32, tied`, [tied, one], 4),
      faster(`${name}: decoding, of fp32`, [untied, one], 2.5),
      ...againstOfficial(name, one, official),
    ];
  });
  const four = of('language-int4')!;
  return [
    ...eight,
    smaller('language-int4: smaller than fp32 with a head of its own', [untied, four], 8),
    faster('language-int4: decoding, of language-int8', [of('language-int8')!, four], 1),
    ...measured.map(({ name, residentBytes }) =>
      createRow({
        name: `${name}: resident memory`,
        unit: 'MB',
        ledge: residentBytes / 1e6,
        note: 'above the bare runtime, after the first tokens',
      }),
    ),
  ];
}

function againstOfficial(
  name: string,
  one: MeasuredLanguage,
  official: MeasuredLanguage | undefined,
): readonly Row[] {
  if (official === undefined) {
    return [skippedRow(`${name}: decoding, of the official default`, 'tokens/s', 'not here')];
  }
  return [
    faster(`${name}: decoding, of the official default`, [official, one], 1.05),
    createRow({
      name: `${name}: mean error of logits, of the official default`,
      unit: '',
      ledge: one.error!.meanError,
      reference: official.error!.meanError,
      judged: 'ratio <=',
      target: 1,
      note: `SQNR ${one.error!.sqnrDb.toFixed(1)} and ${official.error!.sqnrDb.toFixed(1)} dB`,
    }),
  ];
}

type Pair = readonly [before: MeasuredLanguage, after: MeasuredLanguage];

function smaller(name: string, [before, after]: Pair, target: number): Row {
  const note = `${(before.bytes / 1e6).toFixed(1)} MB to ${(after.bytes / 1e6).toFixed(1)} MB`;
  const ledge = before.bytes / after.bytes;
  return createRow({ name, unit: 'x', ledge, judged: 'ledge >=', target, note });
}

function faster(name: string, [before, after]: Pair, target: number): Row {
  const spread = ratiosOf(after.rounds, before.rounds);
  const [from, to] = [before, after].map((one) => one.tokensPerSecond.middle.toFixed(0));
  const note = `${formatSpread(spread)}; ${from} to ${to} tokens/s on ${THREADS} threads`;
  return createRow({ name, unit: 'x', ledge: spread.middle, judged: 'ledge >=', target, note });
}

/** The guide's own recipe, in turns with itself in float32. */
async function measurePytorch(bench: CompressBench): Promise<SectionResult> {
  const engines = pytorchEngines();
  if (typeof engines === 'string') {
    bench.say(`SKIPPED: PyTorch: ${engines}`);
    return { rows: [skippedRow('PyTorch quantize_dynamic', 'tokens/s', engines)], tables: [] };
  }
  const names = ['fp32', ...engines];
  const processes = new Map<string, DecodeProcess>();
  try {
    for (const name of names) processes.set(name, await startPytorch(name, THREADS));
    bench.say(`distilgpt2: PyTorch, ${bench.slowRounds} rounds`);
    const rounds = await takeTurns(names, bench.slowRounds, async (name) => {
      const { ms } = await processes.get(name)!.decode(TOKENS_PER_TURN);
      return (1000 * TOKENS_PER_TURN) / ms;
    });
    const lines = names.map((name) => {
      const { fileBytes = 0, residentBytes } = processes.get(name)!.ready;
      const speed = spreadOf(rounds.get(name)!);
      return [
        name,
        (fileBytes / 1e6).toFixed(1),
        formatSpread(speed, 1),
        formatSpread(ratiosOf(rounds.get(name)!, rounds.get('fp32')!)),
        (residentBytes / 1e6).toFixed(0),
      ];
    });
    const { version = '' } = processes.get('fp32')!.ready;
    const how = `torch.quantization.quantize_dynamic of PyTorch ${version}, ${THREADS} threads, the
same shape with other made weights. Debian's build has neither
MKL nor FBGEMM: a weak stand-in for the guide's.`;
    const head = ['engine', 'MB', 'tokens/s', 'of its fp32', 'resident MB'];
    return { rows: [], tables: [{ title: 'The guide’s recipe in PyTorch', how, head, lines }] };
  } finally {
    for (const one of processes.values()) one.stop();
  }
}
