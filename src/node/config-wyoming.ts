import { topicProblem } from '../bus/topics.ts';
import { z } from '../std/schema.ts';

/** Commands with a meaning of their own: more than the labels of any keyword model. */
const INTENTS_MAX = 256;
const SLOTS_MAX = 32;

const flowName = z
  .string()
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}$/, 'a flow: letters, digits, - and _, at most 64');

const ruleSchema = z
  .strictObject({
    intent: z.string().min(1).max(128).optional().describe('A Home Assistant intent: HassTurnOn.'),
    slots: z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
      .refine((slots) => Object.keys(slots).length <= SLOTS_MAX, `at most ${SLOTS_MAX} slots`)
      .default({})
      .describe('What the intent is about: `area: kitchen`.'),
    publish: z
      .strictObject({
        topic: z.string().describe('Topic of the message.'),
        payload: z.string().max(65_536).default('').describe('Its payload, as text.'),
      })
      .optional()
      .describe('A message that the node publishes.'),
    response: z.string().max(1024).optional().describe('What is said back.'),
  })
  .superRefine(({ intent, publish }, context) => {
    if (intent === undefined && publish === undefined) {
      context.addIssue({ code: 'custom', path: ['intent'], message: 'an intent or publish' });
    }
    const problem = publish === undefined ? undefined : topicProblem(publish.topic);
    if (problem !== undefined) {
      const message = `a topic: ${problem}`;
      context.addIssue({ code: 'custom', path: ['publish', 'topic'], message });
    }
  });

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
  intents: z
    .record(z.string().min(1).max(256), ruleSchema)
    .refine((rules) => Object.keys(rules).length <= INTENTS_MAX, `at most ${INTENTS_MAX} commands`)
    .default({})
    .describe('What a command means, by its words.'),
  limits: limitsSchema,
});

/** The field `wyoming` of the configuration. */
export const wyomingField = wyomingSchema
  .optional()
  .describe('A Wyoming server, for Home Assistant; without it none is opened.');
