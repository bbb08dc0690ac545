import { defineStage, emit, FieldError } from '../../flow/stage.ts';
import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';
import { elementCount, FREE, float32 as float32Tensor, formatShape } from '../../tensor/tensor.ts';
import { payloadInvalid, payloadLimit, payloadOf, requireBytes } from './payload.ts';
import { SIGNAL_BYTES, sampleRate } from './signal-options.ts';
import { checkFinite } from './wav.ts';

const schema = z.strictObject({
  shape: z
    .array(z.int().min(FREE))
    .min(1)
    .max(8)
    .describe('The shape of the tensor; one dimension may be -1 and follows from the payload.'),
  sampleRateHz: sampleRate()
    .optional()
    .describe('Samples per second along the first axis, where the tensor is a signal.'),
  finite: z.boolean().default(true).describe('Whether NaN and infinite elements are refused.'),
  payloadBytesMax: payloadLimit(SIGNAL_BYTES),
});

/**
 * Little-endian float32 elements as a tensor of the declared shape, over the payload's own bytes
 * where they are aligned.
 * Fails with payload-invalid, payload-too-large, shape-mismatch, value-invalid.
 */
export const float32 = defineStage<z.infer<typeof schema>>({
  kind: 'float32',
  phase: 'decode',
  summary: 'Reads little-endian float32 elements as a tensor of a declared shape.',
  schema,
  create({ shape, sampleRateHz, finite, payloadBytesMax }, context) {
    requireBytes(context);
    const known = shape.filter((size) => size !== FREE);
    if (known.length < shape.length - 1) throw new FieldError('shape', shape, 'at most one -1');
    if (known.includes(0)) throw new FieldError('shape', shape, 'no dimension of 0');
    const block = elementCount(known);
    return {
      output: {
        kind: 'tensor',
        type: 'float32',
        shape,
        ...(sampleRateHz === undefined ? {} : { sampleRateHz }),
      },
      scope: 'shared',
      open: () => ({
        run(value) {
          const data = float32View(payloadOf(value, payloadBytesMax));
          const count = data.length / block;
          const fits =
            known.length === shape.length ? count === 1 : count >= 1 && Number.isInteger(count);
          if (!fits) {
            throw new LedgeError(
              'shape-mismatch',
              `Cannot decode float32: ${data.length} elements do not fill ${formatShape(shape)}`,
              { context: { elements: data.length, shape } },
            );
          }
          if (finite) checkFinite(data);
          return emit(
            float32Tensor(
              shape.map((size) => (size === FREE ? count : size)),
              data,
            ),
          );
        },
      }),
    };
  },
});

/** The bytes as floats: a view where they are aligned, else one copy. */
function float32View(bytes: Uint8Array): Float32Array {
  if (bytes.byteLength % 4 !== 0) {
    throw payloadInvalid('float32', `${bytes.byteLength} bytes are no multiple of 4`);
  }
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : Uint8Array.from(bytes);
  return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
}
