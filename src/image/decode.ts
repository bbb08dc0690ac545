import sharp from 'sharp';
import { PIXELS_MAX_DEFAULT } from './header.ts';
import { invalidImage } from './invalid-image.ts';

/** How pixels are weighed when a picture changes its size. */
export type Kernel = 'nearest' | 'linear' | 'cubic' | 'mitchell' | 'lanczos2' | 'lanczos3';

/** Red, green and blue, 0 to 255. */
export type Colour = readonly [number, number, number];

/** `refuse` also finds headers that promise more rows than there are; some cameras need `accept`. */
export type Flaws = 'refuse' | 'accept';

export interface DecodeOptions {
  /** Size of the outcome in pixels. */
  readonly width: number;
  readonly height: number;
  /** `fill` stretches, `cover` keeps the proportions and cuts evenly. */
  readonly fit: 'fill' | 'cover';
  readonly kernel: Kernel;
  /** Shows through where the picture is transparent. */
  readonly background: Colour;
  /** Whether a file is taken that a decoder reads to its end but warns of. */
  readonly flaws: Flaws;
  readonly pixelsMax?: number;
}

// A frame is never decoded twice, so libvips' cache of operations would only hold memory.
sharp.cache(false);
// One thread a picture: libvips' pool would take the cores that inference threads are sized for.
sharp.concurrency(1);
// Only the readers whose headers we have parsed ourselves may ever see an event's bytes.
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({
  operation: ['VipsForeignLoadJpeg', 'VipsForeignLoadPng', 'VipsForeignLoadWebp'],
});

/**
 * Decodes a JPEG, PNG or WebP, upright, to 8-bit sRGB [height, width, 3] straight at the size asked
 * for: a JPEG's or WebP's decoder itself skips the detail that would not be seen. Truncated or
 * damaged pixels are an error. Throws LedgeError: payload-invalid.
 */
export async function decodeImage(bytes: Uint8Array, options: DecodeOptions): Promise<Uint8Array> {
  const { width, height, fit, kernel, background, flaws } = options;
  const [r, g, b] = background;
  const image = sharp(bytes, {
    autoOrient: true,
    failOn: flaws === 'refuse' ? 'warning' : 'error',
    limitInputPixels: options.pixelsMax ?? PIXELS_MAX_DEFAULT,
    sequentialRead: true,
  })
    .flatten({ background: { r, g, b } })
    .resize(width, height, { fit, kernel, fastShrinkOnLoad: true })
    .toColourspace('srgb')
    .raw({ depth: 'uchar' });
  try {
    const { data } = await image.toUint8Array();
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  } catch (cause) {
    throw invalidImage('the', cause instanceof Error ? cause.message : String(cause), cause);
  }
}
