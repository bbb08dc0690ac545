import { z } from '../std/schema.ts';
import { flowName, intentRules } from './config-intents.ts';

const limitsSchema = z
  .strictObject({
    connectionsMax: z.int().min(1).max(1024).default(64).describe('Clients at once.'),
    clipSecondsMax: z
      .number()
      .min(1)
      .max(60)
      .default(30)
      .describe('Longest spoken command; 32 kB of memory for each second and client.'),
    idleSeconds: z
      .number()
      .min(1)
      .max(86_400)
      .default(300)
      .describe('A client that says nothing for so long is let go.'),
    answerSeconds: z
      .number()
      .min(0.1)
      .max(60)
      .default(10)
      .describe('How long a command may take in its flow.'),
  })
  .prefault({})
  .describe('What clients may take.');

/** Schema of the field `wyoming`. */
export const wyomingSchema = z.strictObject({
  host: z
    .string()
    .min(1)
    .default('127.0.0.1')
    .describe('Address to listen on. The protocol has no credentials.'),
  port: z.int().min(0).max(65_535).default(10_400).describe('0 takes a free one.'),
  zeroconf: z
    .enum(['on', 'off'])
    .optional()
    .describe('Announces `_wyoming._tcp`; default on, off where only this machine can connect.'),
  activityFlow: flowName.default('voice-activity').describe('Tells whether somebody speaks.'),
  wakeFlow: flowName.default('wake-word').describe('Finds wake words.'),
  commandFlow: flowName.default('voice-command').describe('Tells which command a clip holds.'),
  languages: z
    .array(z.string().min(2).max(16))
    .min(1)
    .max(16)
    .default(['en'])
    .describe('What the words are in.'),
  scoreMin: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe('A command with a lower score counts as not understood.'),
  intents: intentRules
    .optional()
    .describe('What a command means, by its words; default: as in `voice`.'),
  limits: limitsSchema,
});

/** The field `wyoming` of the configuration. */
export const wyomingField = wyomingSchema
  .optional()
  .describe('A Wyoming server, for Home Assistant; without it none is opened.');
