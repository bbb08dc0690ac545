import { LedgeError } from '../std/error.ts';
import { invalidImage } from './invalid-image.ts';
import { readJpegHeader } from './jpeg-header.ts';
import { readPngHeader } from './png-header.ts';
import type { StoredHeader } from './stored-header.ts';
import { readWebpHeader } from './webp-header.ts';

export type ImageFormat = 'jpeg' | 'png' | 'webp';

/** An image's format and its size in pixels as displayed, after EXIF orientation. */
export interface ImageHeader {
  readonly format: ImageFormat;
  readonly width: number;
  readonly height: number;
}

/** Default of the pixel limit: the largest common camera sensor; 150 MB as RGB. */
export const PIXELS_MAX_DEFAULT = 50_000_000;

/** JPEG's own limit; a longer side is one line of pixels made to upset a decoder. */
export const SIDE_PIXELS_MAX = 65_535;

const READERS: Readonly<Record<ImageFormat, (bytes: Uint8Array) => StoredHeader>> = {
  jpeg: readJpegHeader,
  png: readPngHeader,
  webp: readWebpHeader,
};

/**
 * Reads the header of a JPEG, PNG or WebP file without decoding a pixel, so that no decoder sees a
 * size beyond the limit. Throws LedgeError: payload-invalid, payload-too-large.
 */
export function readImageHeader(bytes: Uint8Array, pixelsMax: number): ImageHeader {
  const format = detectFormat(bytes);
  const { width, height, orientation } = READERS[format](bytes);
  if (width === 0 || height === 0) throw invalidImage(format, `its size is ${width}x${height}`);
  if (width * height > pixelsMax || width > SIDE_PIXELS_MAX || height > SIDE_PIXELS_MAX) {
    throw new LedgeError(
      'payload-too-large',
      `Cannot take ${format} image: ${width}x${height} is over the limit of ${pixelsMax} pixels`,
      { context: { width, height, pixelsMax } },
    );
  }
  // Orientations 5 to 8 turn the image by a quarter: EXIF 2.32, tag 0x0112.
  return orientation >= 5 ? { format, width: height, height: width } : { format, width, height };
}

function detectFormat(bytes: Uint8Array): ImageFormat {
  if (startsWith(bytes, [0xff, 0xd8, 0xff])) return 'jpeg';
  if (startsWith(bytes, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])) return 'png';
  const riff = startsWith(bytes, [0x52, 0x49, 0x46, 0x46]);
  if (riff && startsWith(bytes.subarray(8), [0x57, 0x45, 0x42, 0x50])) return 'webp';
  throw new LedgeError(
    'payload-invalid',
    `Cannot read image: ${bytes.length} bytes that are no JPEG, PNG or WebP`,
  );
}

function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, index) => bytes[index] === byte);
}
