import { defineStage, FieldError } from '../../flow/stage.ts';
import { z } from '../../std/schema.ts';
import { FLUSH } from './flush.ts';
import { compileRecordWindow } from './window-records.ts';
import { compileSignalWindow } from './window-signal.ts';

/** Longest window: a minute of 48 kHz sound, or a month of records per minute. */
const SIZE_MAX = 4 * 1024 * 1024;

const schema = z.strictObject({
  size: z
    .int()
    .min(1)
    .max(SIZE_MAX)
    .optional()
    .describe('Rows of a window: samples, frames or records. Give this or `seconds`.'),
  seconds: z
    .number()
    .positive()
    .optional()
    .describe('Length of a window by the sample rate of a signal, or by the time of the records.'),
  hop: z
    .int()
    .min(1)
    .max(SIZE_MAX)
    .optional()
    .describe('Rows from one window to the next. Default: size.'),
  hopSeconds: z.number().positive().optional().describe('The same in seconds. Default: seconds.'),
  pad: z
    .int()
    .min(0)
    .max(SIZE_MAX)
    .default(0)
    .describe('Rows of zeros put before the first one of a signal.'),
  flush: z
    .enum(FLUSH)
    .default('auto')
    .describe(
      '`event`: each value is a clip, cut on its own. `stream`: the values of a device are one ' +
        'signal, and a window may begin in one and end in a later one. `auto`: as the event was ' +
        'decoded, a WAV as a clip, raw samples as a stream, anything else as a clip. Records ' +
        'are always a stream.',
    ),
  partial: z
    .enum(['pad', 'drop'])
    .default('pad')
    .describe(
      'What becomes of the end of a clip that fills no window: zeros behind it, or dropped.',
    ),
  emit: z
    .enum(['each', 'together'])
    .default('each')
    .describe(
      '`each`: the windows of a value go on one by one. `together`: as one tensor, ' +
        '[windows, size, ...], for a model that takes a batch and one answer for a clip.',
    ),
  restart: z
    .enum(['never', 'event'])
    .default('never')
    .describe(
      'For a stream: `event` forgets what was kept when a new event comes, for windows over the ' +
        'values that an earlier window made of one clip.',
    ),
  gapSeconds: z
    .number()
    .positive()
    .optional()
    .describe('For a stream: begin afresh where two events lie further apart. Default: never.'),
  fields: z
    .array(z.string())
    .min(1)
    .optional()
    .describe(
      'For records: the fields, in the order of the columns. Default: all that are declared.',
    ),
  windowsMax: z
    .int()
    .min(1)
    .max(65_536)
    .default(4096)
    .describe('Most windows that one value may complete; more fail with payload-too-large.'),
  recordsMax: z
    .int()
    .min(1)
    .max(65_536)
    .default(4096)
    .describe('Most records that a window by time keeps; the oldest go first.'),
});

export type WindowConfig = z.infer<typeof schema>;

/**
 * Windows over the first axis of a float32 tensor, [size, ...], or over records, [size, fields];
 * they go on one by one, or together with an axis before.
 * Fails with payload-too-large, value-invalid for a missing field.
 */
export const window = defineStage<WindowConfig>({
  kind: 'window',
  phase: 'preprocess',
  summary:
    'Cuts a signal, or a series of records, into windows that go on one by one, or together.',
  schema,
  create(config, context) {
    if ((config.size === undefined) === (config.seconds === undefined)) {
      throw new FieldError('size', config.size, 'either size or seconds');
    }
    if (config.hop !== undefined && config.hopSeconds !== undefined) {
      throw new FieldError('hop', config.hop, 'either hop or hopSeconds');
    }
    if (config.emit === 'together' && context.input.kind === 'fields') {
      throw new FieldError('emit', config.emit, 'each: windows of records go on one by one');
    }
    return context.input.kind === 'fields'
      ? compileRecordWindow(config, context.input)
      : compileSignalWindow(config, context);
  },
});
