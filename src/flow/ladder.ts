import { z } from '../std/schema.ts';
import type { ModelIdentity } from './stage.ts';

/** Why a variant was taken up. */
export interface RungChange {
  /** One word: board, memory, flow, request, heat, queue, deadlines, calm. */
  readonly cause: string;
  /** The figures behind it, for people; '' where the cause says all. */
  readonly detail: string;
}

/** Variants of one step, from the most accurate to the cheapest; one of them is at work. */
export interface Rungs {
  readonly models: readonly ModelIdentity[];
  /** Place of the one that new values go to. */
  readonly at: number;
  /** Place of the one that was taken at first: what is more accurate is taken only by request. */
  readonly best: number;
  readonly why: RungChange;
  /** Milliseconds since 1970. */
  readonly since: number;
  /** How often another one was taken up. */
  readonly steps: number;
  /** Why the last change was not made; undefined once one was. */
  readonly refused: string | undefined;
  /**
   * Makes another one ready, lets new values go to it, and gives the old one back when the values
   * that it has are done. Fails with a LedgeError where it does not fit; the old one then stays.
   */
  move(to: number, why: RungChange): Promise<void>;
}

/** A step that can do with less: its variants, and whether the node may choose among them. */
export interface StepLadder {
  readonly rungs: Rungs;
  readonly stepping: 'auto' | 'fixed';
  /** Where this step's limits are not those of the node. */
  readonly limits: LadderLimits;
}

const DAY_SECONDS = 86_400;
const share = z.number().positive().max(1);
const seconds = z.number().positive().max(DAY_SECONDS);

/** The fields of the limits, each without a default: the node's configuration has those. */
export const ladderFields = {
  throttleAtCelsius: z
    .number()
    .min(0)
    .max(150)
    .describe('At this temperature of the hottest zone it is too hot.'),
  waitShareMax: share.describe(
    'Of its deadline, the part that the first event of the queue may have waited.',
  ),
  fillShareMax: share.describe('Of `queueEventsMax` or `queueBytesMax`, the part that may wait.'),
  missedShareMax: share.describe(
    'Of the events that ended within ten seconds, the part that may have missed the deadline.',
  ),
  downAfterSeconds: seconds.describe('A limit is passed for so long before a step down.'),
  upAfterSeconds: seconds.describe('All is well for so long before a step up.'),
  upAfterSecondsMax: seconds.describe(
    'Each step up that does not last doubles that time, up to this.',
  ),
};

/** Limits, as far as they are given. */
export const ladderLimitsSchema = z.strictObject(ladderFields).partial();

/** Limits beyond which a step does with less, as far as they are given. */
export type LadderLimits = z.output<typeof ladderLimitsSchema>;
