import { OFFICIAL, TIED, UNTIED } from '../language-files.ts';
import { megabytes, type Table } from '../section.ts';
import { formatSpread, ratiosOf } from '../turns.ts';
import type { MeasuredLanguage } from './distilgpt2.ts';

/** All models of the language section side by side. */
export function languageTable(
  measured: readonly MeasuredLanguage[],
  { version, threads }: { readonly version: string; readonly threads: number },
): Table {
  const of = (name: string) => measured.find((one) => one.name === name);
  const [untied, tied, official] = [of(UNTIED)!, of(TIED)!, of(OFFICIAL)];
  const lines = measured.map((one) => {
    const { name, bytes, rounds, error, residentBytes } = one;
    return [
      name,
      megabytes(bytes),
      `${(untied.bytes / bytes).toFixed(2)} / ${(tied.bytes / bytes).toFixed(2)}`,
      formatSpread(one.tokensPerSecond, 0),
      formatSpread(ratiosOf(rounds, untied.rounds)),
      official === undefined ? '' : formatSpread(ratiosOf(rounds, official.rounds)),
      (residentBytes / 1e6).toFixed(0),
      error === undefined ? '' : `${error.maxError.toFixed(2)} / ${error.meanError.toFixed(3)}`,
      error === undefined || !Number.isFinite(error.sqnrDb) ? '' : error.sqnrDb.toFixed(1),
      error === undefined ? '' : error.divergence.toFixed(4),
      error === undefined ? '' : `${(100 * error.agreement).toFixed(0)} %`,
    ];
  });
  const made = `The official tool: onnxruntime.quantization ${version}, on the untied model.`;
  const tool = version === '' ? '' : made;
  return {
    title: 'DistilGPT-2’s shape',
    how: `6 x 768, 12 heads, 50,257 tokens, made weights; greedy decoding with its cache on
${threads} threads of onnxruntime-node, a process each, in turns of 8 tokens. Errors: logits against
fp32 after each of 64 tokens; KL in nats. ${tool}
Ranges hold eight in ten rounds.`,
    head: [
      'model',
      'MB',
      'smaller (own head / tied)',
      'tokens/s',
      'of fp32',
      'of the official default',
      'resident MB',
      'error max / mean',
      'SQNR dB',
      'KL',
      'same next token',
    ],
    lines,
  };
}
