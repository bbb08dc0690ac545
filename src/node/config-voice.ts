import { deviceProblem, topicProblem } from '../bus/topics.ts';
import { z } from '../std/schema.ts';
import { flowName, intentRules } from './config-intents.ts';

/** Rooms of a large house; each may have a session of its own. */
const SITES_MAX = 64;
const DEVICES_MAX = 16;

const device = z
  .string()
  .refine((text) => deviceProblem(text) === undefined, 'a device: one level of a topic');

const site = z.strictObject({
  devices: z
    .array(device)
    .max(DEVICES_MAX)
    .default([])
    .describe("Its microphones, as in ledge/in/voice/<device>; default: the site's own name."),
  room: z
    .string()
    .min(1)
    .max(128)
    .optional()
    .describe("What {room} in intents stands for; default: the site's name."),
});

const milliseconds = (least: number, most: number) => z.int().min(least).max(most);

/** Schema of the field `voice`. */
export const voiceSchema = z.strictObject({
  sites: z
    .record(
      z.string().refine((text) => topicProblem(text) === undefined && !text.includes('/'), {
        message: 'a site: one level of a topic',
      }),
      site,
    )
    .refine((all) => Object.keys(all).length <= SITES_MAX, `at most ${SITES_MAX} sites`)
    .superRefine((all, context) => {
      const seen = new Map<string, string>();
      for (const [name, { devices }] of Object.entries(all)) {
        for (const one of devices.length === 0 ? [name] : devices) {
          const other = seen.get(one);
          seen.set(one, name);
          if (other === undefined) continue;
          const message = `a device of one site: "${one}" is at "${other}" as well`;
          context.addIssue({ code: 'custom', path: [name, 'devices'], message, input: one });
        }
      }
    })
    .default({})
    .describe('Places that are spoken in; a device that none names is a site of its own name.'),
  activityFlow: flowName.default('voice-activity').describe('Tells whether somebody speaks.'),
  wakeFlow: flowName.default('wake-word').describe('Finds wake words.'),
  commandFlow: flowName.default('voice-command').describe('Tells which command a clip holds.'),
  prerollMs: milliseconds(0, 2_000)
    .default(300)
    .describe('The sound of a command begins so long before its wake word was found.'),
  wakeTailMs: milliseconds(0, 2_000)
    .default(150)
    .describe('Speech that ends so soon after the wake word was found is the rest of that word.'),
  endSilenceMs: milliseconds(0, 3_000)
    .default(60)
    .describe('A command is over so long after the activity flow says that nobody speaks.'),
  nothingSaidMs: milliseconds(500, 30_000)
    .default(4_000)
    .describe('How long a session waits for speech.'),
  commandMsMax: milliseconds(500, 5_000)
    .default(4_000)
    .describe('Longest command; what is longer is taken as it is then.'),
  refractoryMs: milliseconds(0, 30_000)
    .default(1_500)
    .describe('After a wake word the site hears none for so long.'),
  arbitrationMs: milliseconds(0, 2_000)
    .default(250)
    .describe('Of the microphones that wake within this time the loudest answers; 0: each does.'),
  scoreMin: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe('A command with a lower score counts as not recognised.'),
  intents: intentRules
    .default({
      on: { intent: 'HassTurnOn', slots: { area: '{room}', domain: 'light' } },
      off: { intent: 'HassTurnOff', slots: { area: '{room}', domain: 'light' } },
    })
    .describe(
      'What a command means, by its words; default: on and off for the lights of the room.',
    ),
});

/** The field `voice` of the configuration. */
export const voiceField = voiceSchema
  .optional()
  .describe('Voice sessions: wake word, command, intent; without it none are opened.');
