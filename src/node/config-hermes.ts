import { z } from '../std/schema.ts';

/** Sites of one house: more pairs are a mistake. */
const PAIRS_MAX = 256;

const level = /^[^+#/\0]{1,64}$/;

const limitsSchema = z
  .strictObject({
    sitesMax: z
      .int()
      .min(1)
      .max(256)
      .default(32)
      .describe('Sites that are heard, and sites with a session, at once.'),
    siteIdleSeconds: z
      .number()
      .min(1)
      .max(86_400)
      .default(600)
      .describe('A site without sound for so long is forgotten.'),
    sessionsQueuedMax: z
      .int()
      .min(0)
      .max(256)
      .default(8)
      .describe('Sessions that wait at one site for the one before.'),
    skillSeconds: z
      .number()
      .min(0.1)
      .max(3600)
      .default(30)
      .describe('A session in which nothing happens for so long ends with `timeout`.'),
    sayFinishedSeconds: z
      .number()
      .min(0.1)
      .max(600)
      .default(10)
      .describe('How long a session waits for text to be spoken.'),
  })
  .prefault({})
  .describe('What other programs may take.');

/** Schema of the field `hermes`. */
export const hermesSchema = z.strictObject({
  wakewordId: z
    .string()
    .regex(level, 'one level of a topic')
    .default('computer')
    .describe('Name of the wake word: `hermes/hotword/<wakewordId>/detected`.'),
  language: z.string().min(2).max(16).default('en').describe('What the words are in.'),
  dialogue: z
    .boolean()
    .default(true)
    .describe("`false` where another program's dialogue manager runs."),
  sites: z
    .record(z.string().min(1).max(256), z.string().regex(level, 'a site'))
    .refine((pairs) => Object.keys(pairs).length <= PAIRS_MAX, `at most ${PAIRS_MAX} sites`)
    .default({})
    .describe('siteId to site of this node, where the names differ: `default: kitchen`.'),
  limits: limitsSchema,
});

/** The field `hermes` of the configuration. */
export const hermesField = hermesSchema
  .optional()
  .describe('Speaks Hermes, with Rhasspy satellites and skills; absent: not at all.');
