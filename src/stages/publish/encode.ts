import { defineStage, emit, FieldError } from '../../flow/stage.ts';
import { formatType, type Value, type ValueType } from '../../flow/value.ts';
import { z } from '../../std/schema.ts';
import { elementCount, FREE } from '../../tensor/tensor.ts';
import { PLAIN_NUMBERS_MAX, plainValue } from '../postprocess/plain-value.ts';
import { float32Of } from '../postprocess/scores.ts';

const schema = z.strictObject({
  as: z
    .enum(['numbers', 'base64', 'pcm16'])
    .default('numbers')
    .describe(
      'numbers: lists, or {label: number}; base64: the raw little-endian elements with type and shape; pcm16: a signal -1 to 1 as 16-bit samples in base64.',
    ),
  field: z.string().min(1).default('value').describe('Field of the result that takes it.'),
});

type Config = z.infer<typeof schema>;

/** Any value as a result, for flows that end in numbers, text or a signal. */
export const encode = defineStage({
  kind: 'encode',
  phase: 'publish',
  summary: 'Makes a result of numbers, text or a signal, so that it can be published.',
  schema,
  create({ as, field }, { input }) {
    checkInput(as, input);
    const labels = input.kind === 'tensor' ? input.labels : undefined;
    const rate = input.kind === 'tensor' ? input.sampleRateHz : undefined;
    return {
      output: { kind: 'result', of: 'values' },
      scope: 'shared',
      open: () => ({
        run(value) {
          const encoded = as === 'numbers' ? plainValue(value, labels) : encodeRaw(value, as);
          const sampled = as !== 'numbers' && rate !== undefined ? { sampleRateHz: rate } : {};
          return emit({ kind: 'result', result: { [field]: encoded, ...sampled } });
        },
      }),
    };
  },
});

function checkInput(as: Config['as'], input: ValueType): void {
  if (input.kind === 'result' || input.kind === 'image') {
    throw new FieldError('', formatType(input), 'a tensor, fields, text or bytes');
  }
  if (as !== 'numbers' && input.kind !== 'tensor') {
    throw new FieldError('as', as, `\`numbers\` for ${formatType(input)}`);
  }
  if (as !== 'numbers' || input.kind !== 'tensor' || input.shape.includes(FREE)) return;
  if (elementCount(input.shape) > PLAIN_NUMBERS_MAX) {
    const expected = `base64: ${formatType(input)} has over ${PLAIN_NUMBERS_MAX} numbers`;
    throw new FieldError('as', as, expected);
  }
}

function encodeRaw(value: Value, as: 'base64' | 'pcm16'): unknown {
  if (value.kind !== 'tensor') return plainValue(value);
  const { type, shape } = value;
  const data = as === 'pcm16' ? toPcm16(float32Of(value)) : value.data;
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return { type: as === 'pcm16' ? 'int16' : type, shape, data: bytes.toString('base64') };
}

/** Samples -1 to 1 as 16 bit; what is louder is cut. */
function toPcm16(samples: Float32Array): Int16Array {
  return Int16Array.from(samples, (sample) =>
    Math.round(Math.min(Math.max(sample * 32_768, -32_768), 32_767)),
  );
}
