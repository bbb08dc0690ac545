/** Samples of one quantity over time. */
export interface Series {
  add(seconds: number, value: number): void;
  /** Change for each second by least squares, over the samples from a moment on. */
  slope(fromSeconds: number): number;
  last(): number;
}

/** Collects samples. */
export function createSeries(): Series {
  const samples: { readonly at: number; readonly value: number }[] = [];
  return {
    add: (at, value) => void samples.push({ at, value }),
    slope(fromSeconds) {
      const used = samples.filter(({ at }) => at >= fromSeconds);
      if (used.length < 2) return 0;
      const meanAt = used.reduce((sum, { at }) => sum + at, 0) / used.length;
      const meanValue = used.reduce((sum, { value }) => sum + value, 0) / used.length;
      let above = 0;
      let below = 0;
      for (const { at, value } of used) {
        above += (at - meanAt) * (value - meanValue);
        below += (at - meanAt) ** 2;
      }
      return below === 0 ? 0 : above / below;
    },
    last: () => samples.at(-1)?.value ?? 0,
  };
}
