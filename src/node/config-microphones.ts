import { RECORDERS } from '../devices/microphone.ts';
import { z } from '../std/schema.ts';

/** More than any board has inputs, and each is a process of its own. */
const MICROPHONES_MAX = 16;
/** A device name of ALSA with all its arguments. */
const INPUT_CHARACTERS_MAX = 256;

const microphone = z
  .strictObject({
    device: z
      .string()
      .regex(/^[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}$/, 'letters, digits, - and _, at most 64')
      .describe('Name in the topic: its sound goes to ledge/in/voice/<device>.'),
    program: z
      .enum(RECORDERS)
      .default('arecord')
      .describe('What records: arecord (alsa-utils), sox or rec (sox).'),
    input: z
      .string()
      .min(1)
      .max(INPUT_CHARACTERS_MAX)
      .optional()
      .describe(
        'ALSA device, as plughw:1,0, or pulse:NAME for a PulseAudio source (see ledge mic list); ' +
          "default: the system's own.",
      ),
    silentMsMax: z
      .int()
      .min(500)
      .max(600_000)
      .default(5_000)
      .describe(
        'A recorder that gives no byte for so long is killed and started again; as it starts it has at least 5 s.',
      ),
  })
  .superRefine(({ program, input }, context) => {
    if (program !== 'rec' || input === undefined) return;
    const message = "rec records the system's default; take sox or arecord for a named input";
    context.addIssue({ code: 'custom', path: ['input'], message, input });
  });

export type MicrophoneConfig = z.infer<typeof microphone>;

/** `microphones:` of ledge.yaml. */
export const microphonesField = z
  .array(microphone)
  .max(MICROPHONES_MAX)
  .default([])
  .superRefine((all, context) => {
    for (const [at, { device }] of all.entries()) {
      if (all.findIndex((other) => other.device === device) === at) continue;
      const message = 'each microphone has a name of its own';
      context.addIssue({ code: 'custom', path: [at, 'device'], message, input: device });
    }
  })
  .describe('Microphones of this machine, each recorded by a program that is kept running.');
