import { evenly } from '../std/evenly.ts';
import type { Dataset, EvaluatedEvent } from './dataset.ts';

/**
 * Two parts of labelled data, every other event of each group, in order: one to choose by and one to
 * tell by. Of series, every other file.
 */
export function halves(dataset: Dataset): { readonly choose: Dataset; readonly tell: Dataset } {
  const seen = new Map<string, Set<string>>();
  const isOdd = new Map<string, boolean>();
  for (const { group, device } of dataset.events) {
    const devices = seen.get(group) ?? new Set();
    seen.set(group, devices);
    const place = `${group} ${device}`;
    if (!isOdd.has(place)) isOdd.set(place, devices.size % 2 === 1);
    devices.add(device);
  }
  const part = (odd: boolean): Dataset => ({
    ...dataset,
    events: dataset.events.filter(({ group, device }) => isOdd.get(`${group} ${device}`) === odd),
  });
  return { choose: part(true), tell: part(false) };
}

/** At most so many events, as many of each group as can be, spread over it; a series' first rows. */
export function spread({ form, events }: Dataset, countMax: number): readonly EvaluatedEvent[] {
  if (form === 'series' || events.length <= countMax) return events.slice(0, countMax);
  const groups = new Map<string, EvaluatedEvent[]>();
  for (const event of events) groups.set(event.group, [...(groups.get(event.group) ?? []), event]);
  const share = Math.max(1, Math.floor(countMax / groups.size));
  const chosen = [...groups.values()].flatMap((group) => evenly(group, share));
  return chosen.slice(0, countMax);
}
