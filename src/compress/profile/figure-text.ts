import type { Spread } from './timing.ts';

/** Milliseconds with as many places as say something. */
export function msText(ms: number): string {
  const places = ms >= 100 ? 1 : ms >= 1 ? 2 : 4;
  return `${ms.toFixed(places)} ms`;
}

/** A share of 1 as per cent. */
export function percentText(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

/** Bytes in the unit that suits them: kB is 1,000. */
export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

/** A rate, or nothing where nothing was done. */
export function rateText(value: number): string {
  return value <= 0 ? '' : value >= 100 ? value.toFixed(0) : value.toFixed(1);
}

/** Where the slow runs of a profile took twice the time of the quick ones, others used the machine. */
const BUSY_RATIO = 2;

/** What to say where the machine was too busy to trust the middle; nothing where it was not. */
export function busyText({ lowMs, highMs }: Spread): string {
  if (highMs < BUSY_RATIO * lowMs) return '';
  const range = `${msText(lowMs)} to ${msText(highMs)}`;
  return `The machine was busy (eight in ten runs took ${range}): measure again when it is not.`;
}
