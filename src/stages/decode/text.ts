import { defineStage, emit } from '../../flow/stage.ts';
import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';
import { payloadLimit, payloadOf, requireBytes, utf8Of } from './payload.ts';

/** 64 KiB: a long page of text, far over any spoken or typed command. */
const TEXT_BYTES = 64 * 1024;

const schema = z.strictObject({
  payloadBytesMax: payloadLimit(TEXT_BYTES),
  charactersMax: z
    .int()
    .min(1)
    .default(16_384)
    .describe('Longest text, in UTF-16 units; a longer one fails with payload-too-large.'),
  trim: z.boolean().default(true).describe('Whether white space around the text is taken away.'),
});

/** UTF-8 text of an event. Fails with payload-invalid, payload-too-large. */
export const text = defineStage<z.infer<typeof schema>>({
  kind: 'text',
  phase: 'decode',
  summary: 'Reads the payload as UTF-8 text.',
  schema,
  create({ payloadBytesMax, charactersMax, trim }, context) {
    requireBytes(context);
    return {
      output: { kind: 'text' },
      scope: 'shared',
      open: () => ({
        run(value) {
          const whole = utf8Of(payloadOf(value, payloadBytesMax), 'text');
          const content = trim ? whole.trim() : whole;
          if (content.length > charactersMax) {
            throw new LedgeError(
              'payload-too-large',
              `Cannot decode text: ${content.length} characters, the limit is ${charactersMax}`,
            );
          }
          return emit({ kind: 'text', text: content });
        },
      }),
    };
  },
});
