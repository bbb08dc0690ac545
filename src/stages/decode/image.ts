import { defineStage, emit, FieldError } from '../../flow/stage.ts';
import { type Bytes, formatType } from '../../flow/value.ts';
import { PIXELS_MAX_DEFAULT, readImageHeader } from '../../image/header.ts';
import { z } from '../../std/schema.ts';

/** What the pixel limit may be raised to: beyond it a picture as RGB is 600 MB. */
const PIXELS_MAX_MAX = 200_000_000;

const schema = z.strictObject({
  pixelsMax: z
    .int()
    .min(1)
    .max(PIXELS_MAX_MAX)
    .default(PIXELS_MAX_DEFAULT)
    .describe('A picture of more pixels is refused by its header, before a pixel is decoded.'),
});

/** A picture whose header was read; `resize` decodes its pixels. */
export const image = defineStage({
  kind: 'image',
  phase: 'decode',
  summary: 'Takes a JPEG, PNG or WebP by its header; pixels are decoded by `resize`.',
  schema,
  create({ pixelsMax }, { input }) {
    if (input.kind !== 'bytes') throw new FieldError('', formatType(input), 'bytes');
    return {
      output: { kind: 'image' },
      scope: 'shared',
      open: () => ({
        run(value) {
          const { bytes } = value as Bytes;
          return emit({ kind: 'image', bytes, ...readImageHeader(bytes, pixelsMax) });
        },
      }),
    };
  },
});
