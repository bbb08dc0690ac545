import { defineStage, emit, type Step } from '../../flow/stage.ts';
import { z } from '../../std/schema.ts';

const schema = z.strictObject({
  perSecond: z
    .number()
    .positive()
    .max(1000)
    .default(1)
    .describe("A device's results in a second of the events' own time; 0.1 is one in ten seconds."),
  burst: z
    .int()
    .min(1)
    .max(1000)
    .default(1)
    .describe('Results that may come at once after a quiet time.'),
});

const snapshotSchema = z.strictObject({ tokens: z.number().min(0), ts: z.number() });

/** No more results of a device than somebody wants to see. */
export const rateLimit = defineStage({
  kind: 'rate-limit',
  phase: 'publish',
  summary: 'Drops results of a device that come faster than a rate, by the time of the events.',
  schema,
  create(config, { input }) {
    return { output: input, scope: 'device', open: () => openRateLimit(config) };
  },
});

/** A token bucket whose clock is the events' own. */
function openRateLimit({ perSecond, burst }: z.infer<typeof schema>): Step {
  let bucket: z.infer<typeof snapshotSchema> | undefined;
  return {
    run(value, { event }) {
      // The distance, so that a clock that was set back does not keep a device silent for long.
      const seconds = bucket === undefined ? 0 : Math.abs(event.ts - bucket.ts) / 1000;
      const tokens = Math.min(burst, (bucket?.tokens ?? burst) + seconds * perSecond);
      // Sums of fractions fall a hair short of 1 where the events keep exactly to the rate.
      const enough = tokens > 1 - 1e-9;
      bucket = { tokens: enough ? Math.max(0, tokens - 1) : tokens, ts: event.ts };
      return enough ? emit(value) : { kind: 'drop', reason: 'rate-limited' };
    },
    snapshot: () => bucket,
    restore: (state) => {
      bucket = snapshotSchema.parse(state);
    },
  };
}
