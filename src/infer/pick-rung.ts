import type { LoadedModel } from '../models/store.ts';
import { LedgeError } from '../std/error.ts';

/** What decides which rung of a model is run. */
export interface RungWish {
  /** Number formats, the fastest on this board first. */
  readonly precision: readonly string[];
  /** The one that a flow names. */
  readonly rung: string | undefined;
}

/**
 * The place of the rung that the flow names, else of the first one in the format that is fastest here;
 * the most accurate where the board speaks of none of their formats. Throws LedgeError not-found.
 */
export function pickRung(model: LoadedModel, { precision, rung }: RungWish): number {
  const { rungs, identity } = model;
  if (rung === undefined) {
    const places = precision.map((one) => rungs.findIndex((own) => own.identity.precision === one));
    return places.find((place) => place >= 0) ?? 0;
  }
  const names = rungs.map((own) => own.identity.rung).filter((name) => name !== undefined);
  const place = rungs.findIndex((own) => own.identity.rung === rung);
  if (place >= 0) return place;
  const known = names.length === 0 ? 'it has no ladder' : `there are ${names.join(', ')}`;
  throw new LedgeError(
    'not-found',
    `Cannot find rung "${rung}" of model "${identity.name}": ${known}`,
    {
      context: { model: identity.name, rung, rungs: names },
    },
  );
}
