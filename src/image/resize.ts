import { type Colour, decodeImage, type Flaws, type Kernel } from './decode.ts';
import { type Fit, type FitMode, fitPicture, type Size } from './fit.ts';

export type ColourOrder = 'rgb' | 'bgr' | 'grey';

export interface ResizePlan {
  readonly width: number;
  readonly height: number;
  readonly mode: FitMode;
  readonly colour: ColourOrder;
  readonly kernel: Kernel;
  /** Colour of the bars of `fit-longest` and of what is transparent. */
  readonly padding: Colour;
  readonly flaws: Flaws;
}

/** An encoded picture whose header was read: its size in pixels as displayed. */
export interface EncodedImage extends Size {
  readonly bytes: Uint8Array;
}

/** Channels of a pixel in this colour order. */
export function channelsOf(colour: ColourOrder): number {
  return colour === 'grey' ? 1 : 3;
}

/**
 * Decodes a picture to 8-bit pixels [height, width, channels] of exactly the planned size.
 * Throws LedgeError: payload-invalid.
 */
export async function resizeImage(image: EncodedImage, plan: ResizePlan): Promise<Uint8Array> {
  const { mode, kernel, padding: background, flaws } = plan;
  const bars = mode === 'fit-longest' ? fitPicture(image, plan, mode) : undefined;
  const { width, height } = bars ?? plan;
  const fit = mode === 'fit-shortest' ? 'cover' : 'fill';
  const options = { width, height, fit, kernel, background, flaws } as const;
  const pixels = await decodeImage(image.bytes, options);
  return order(bars === undefined ? pixels : pad(pixels, bars, plan), plan.colour);
}

/** Lays the picture between bars of the padding colour. */
function pad(picture: Uint8Array, fit: Fit, plan: ResizePlan): Uint8Array {
  const { width, height, padding } = plan;
  if (fit.width === width && fit.height === height) return picture;
  const padded = new Uint8Array(width * height * 3);
  const [red, green, blue] = padding;
  if (red === green && green === blue) padded.fill(red);
  else for (let at = 0; at < padded.length; at += 3) padded.set(padding, at);
  const rowBytes = fit.width * 3;
  for (let row = 0; row < fit.height; row += 1) {
    const from = row * rowBytes;
    const to = ((fit.top + row) * width + fit.left) * 3;
    padded.set(picture.subarray(from, from + rowBytes), to);
  }
  return padded;
}

/** Puts RGB pixels into the order a model was trained on; works in place where the size stays. */
function order(pixels: Uint8Array, colour: ColourOrder): Uint8Array {
  if (colour === 'rgb') return pixels;
  if (colour === 'grey') return toGrey(pixels);
  for (let at = 0; at < pixels.length; at += 3) {
    const red = pixels[at]!;
    pixels[at] = pixels[at + 2]!;
    pixels[at + 2] = red;
  }
  return pixels;
}

/** Luma of ITU-R BT.601 in 16-bit fixed point, as Pillow and OpenCV train with. */
function toGrey(pixels: Uint8Array): Uint8Array {
  const grey = new Uint8Array(pixels.length / 3);
  for (let to = 0, at = 0; to < grey.length; to += 1, at += 3) {
    grey[to] =
      (pixels[at]! * 19_595 + pixels[at + 1]! * 38_470 + pixels[at + 2]! * 7_471 + 32_768) >> 16;
  }
  return grey;
}
