import { z } from '../std/schema.ts';

/** How what must last is written: the journal of events, and all else in the node's store. */
export const journalField = z
  .strictObject({
    sync: z
      .enum(['always', 'batch', 'off'])
      .default('batch')
      .describe(
        'When the disk is told to write: at once, for all of a few milliseconds together, or when the system likes (a power cut then loses the last seconds).',
      ),
    batchMs: z
      .number()
      .min(0)
      .max(10)
      .default(10)
      .describe(
        'How long events gather for one fsync. One that has its result before is not written at all.',
      ),
    eventsMax: z
      .int()
      .min(1)
      .max(10_000_000)
      .default(100_000)
      .describe('Events kept for all flows; over it publishers are held back.'),
    bytesMax: z
      .int()
      .min(1_048_576)
      .default(256 * 1024 * 1024)
      .describe('Bytes kept for all flows; over it publishers are held back.'),
  })
  .prefault({})
  .describe('Events that survive a crash, on disk until their results are handed over.');
