import { ladderFields } from '../flow/ladder.ts';
import { z } from '../std/schema.ts';

const { throttleAtCelsius, waitShareMax, fillShareMax, missedShareMax } = ladderFields;
const { downAfterSeconds, upAfterSeconds, upAfterSecondsMax } = ladderFields;

/** A default, with the field's own description. */
function usually(field: z.ZodNumber, value: number) {
  return field.default(value).describe(field.description ?? '');
}

/** The field `ladder` of the configuration: when flows step down to a cheaper rung of their model. */
export const ladderField = z
  .strictObject({
    stepping: z
      .enum(['auto', 'fixed'])
      .default('auto')
      .describe('`fixed`: every flow stays at the rung it starts with.'),
    everySeconds: z
      .number()
      .min(0.02)
      .max(60)
      .default(1)
      .describe('How often temperature, queues and deadlines are looked at.'),
    thermalFolder: z
      .string()
      .min(1)
      .default('/sys/class/thermal')
      .describe('Folder of `thermal_zone*/temp`; without any, heat does not count.'),
    throttleAtCelsius: throttleAtCelsius
      .optional()
      .describe(`${throttleAtCelsius.description} Default: the board's; without one, none.`),
    waitShareMax: usually(waitShareMax, 0.5),
    fillShareMax: usually(fillShareMax, 0.5),
    missedShareMax: usually(missedShareMax, 0.05),
    downAfterSeconds: usually(downAfterSeconds, 5),
    upAfterSeconds: usually(upAfterSeconds, 60),
    upAfterSecondsMax: usually(upAfterSecondsMax, 3600),
  })
  .prefault({})
  .describe('When flows step down the ladder of their model, and up again.');
