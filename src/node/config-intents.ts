import { topicProblem } from '../bus/topics.ts';
import { z } from '../std/schema.ts';

/** Commands with a meaning of their own: more than the labels of any keyword model. */
const INTENTS_MAX = 256;
const SLOTS_MAX = 32;

/** A flow's name in the configuration of what listens to it. */
export const flowName = z
  .string()
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}$/, 'a flow: letters, digits, - and _, at most 64');

const ruleSchema = z
  .strictObject({
    intent: z.string().min(1).max(128).optional().describe('A Home Assistant intent: HassTurnOn.'),
    slots: z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
      .refine((slots) => Object.keys(slots).length <= SLOTS_MAX, `at most ${SLOTS_MAX} slots`)
      .default({})
      .describe('What the intent is about: `area: kitchen`. {site} and {room} are filled in.'),
    publish: z
      .strictObject({
        topic: z.string().describe('Topic of the message; {site} and {room} are filled in.'),
        payload: z
          .string()
          .max(65_536)
          .default('')
          .describe('Its payload, as text; {site} and {room} are filled in.'),
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

/** What commands mean, by their words. */
export const intentRules = z
  .record(z.string().min(1).max(256), ruleSchema)
  .refine((rules) => Object.keys(rules).length <= INTENTS_MAX, `at most ${INTENTS_MAX} commands`);
