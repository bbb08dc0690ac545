import type { PassReport } from './pass.ts';

/** Number formats of weights, from the smallest. */
export type Precision = 'int4' | 'int8' | 'fp16' | 'fp32';

const FORMATS: Readonly<Record<string, Precision>> = {
  'int4-block': 'int4',
  'int8-block': 'int8',
  'int8-dynamic': 'int8',
  'int8-static': 'int8',
  fp16: 'fp16',
};
const SMALLEST_FIRST = ['int4', 'int8', 'fp16', 'fp32'] as const;

/** Formats that passes put weights into, the smallest first; fp32 where none did. */
export function formatsOf(passes: readonly PassReport[]): readonly Precision[] {
  const ran = new Set(
    passes
      .filter(({ done }) => Object.keys(done).length > 0)
      .flatMap(({ pass }) => FORMATS[pass] ?? []),
  );
  const found = SMALLEST_FIRST.filter((format) => ran.has(format));
  return found.length === 0 ? ['fp32'] : found;
}

/** The format of most of the weights, as a manifest states it. */
export function precisionOf(passes: readonly PassReport[]): Precision {
  return formatsOf(passes)[0] ?? 'fp32';
}
