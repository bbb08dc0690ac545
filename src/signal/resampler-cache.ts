import {
  canResample,
  createResampler,
  designResampler,
  type ResampleFilter,
  type Resampler,
} from './resample.ts';

/** Source rates whose filters are kept: a flow hears a few kinds of recorder, not hundreds. */
const FILTERS_MAX = 8;

/** The filters to one sample rate, designed when they are first needed. */
export interface ResamplerCache {
  /** Undefined where the ratio of the rates is no simple one. */
  filterFrom(fromHz: number): ResampleFilter | undefined;
  /** A signal whose source rate may change; it begins afresh when it does. */
  openStream(): ResampleStream;
}

export interface ResampleStream {
  push(block: Float32Array, filter: ResampleFilter): Float32Array;
}

/** An empty cache of filters to `toHz`. */
export function createResamplerCache(toHz: number): ResamplerCache {
  const filters = new Map<number, ResampleFilter>();
  return {
    filterFrom(fromHz) {
      const known = filters.get(fromHz);
      if (known !== undefined) return known;
      if (!canResample({ fromHz, toHz })) return undefined;
      const filter = designResampler({ fromHz, toHz });
      const [oldest] = filters.keys();
      if (filters.size >= FILTERS_MAX && oldest !== undefined) filters.delete(oldest);
      filters.set(fromHz, filter);
      return filter;
    },
    openStream() {
      let current: { readonly filter: ResampleFilter; readonly resampler: Resampler } | undefined;
      return {
        push(block, filter) {
          if (current?.filter.fromHz !== filter.fromHz) {
            current = { filter, resampler: createResampler(filter) };
          }
          return current.resampler.push(block);
        },
      };
    },
  };
}
