import { describe, expect, test } from 'vitest';
import { PIXELS_MAX_DEFAULT, readImageHeader } from '../../src/image/header.ts';
import { encodePng } from '../../src/image/png.ts';
import { type ResizePlan, resizeImage } from '../../src/image/resize.ts';
import { lyingJpeg, quarters, turnedJpeg } from './pictures.ts';

const PLAN: ResizePlan = {
  width: 16,
  height: 16,
  mode: 'squash',
  colour: 'rgb',
  kernel: 'lanczos3',
  padding: [0, 0, 0],
  flaws: 'refuse',
};

async function resized(bytes: Uint8Array, change: Partial<ResizePlan> = {}): Promise<Uint8Array> {
  const header = readImageHeader(bytes, PIXELS_MAX_DEFAULT);
  return resizeImage({ bytes, ...header }, { ...PLAN, ...change });
}

/** The colour at a place given in fractions, each channel as a digit from 0 (dark) to 3 (full). */
function colourAt(pixels: Uint8Array, x: number, y: number, plan = PLAN): string {
  const channels = pixels.length / plan.width / plan.height;
  const at = (Math.floor(y * plan.height) * plan.width + Math.floor(x * plan.width)) * channels;
  return Array.from(pixels.subarray(at, at + channels), (level) => Math.round(level / 85)).join('');
}

const corners = (pixels: Uint8Array, plan = PLAN) =>
  [
    [0.2, 0.2],
    [0.8, 0.2],
    [0.2, 0.8],
    [0.8, 0.8],
  ].map(([x, y]) => colourAt(pixels, x!, y!, plan));

const RED = '300';
const GREEN = '030';
const BLUE = '003';
const WHITE = '333';

describe('every kind of file gives the same colours', () => {
  const picture = quarters(64, 64);
  test.each([
    ['jpeg', () => picture.clone().jpeg({ quality: 95 }).toBuffer()],
    ['progressive jpeg', () => picture.clone().jpeg({ progressive: true }).toBuffer()],
    ['png', () => picture.clone().png().toBuffer()],
    ['palette png', () => picture.clone().png({ palette: true }).toBuffer()],
    ['16-bit png', () => picture.clone().toColourspace('rgb16').png().toBuffer()],
    ['png with alpha', () => picture.clone().ensureAlpha(1).png().toBuffer()],
    ['webp', () => picture.clone().webp({ lossless: true }).toBuffer()],
  ])('%s', async (_title, encode) => {
    const pixels = await resized(await encode());
    expect(pixels).toHaveLength(16 * 16 * 3);
    expect(corners(pixels)).toEqual([RED, GREEN, BLUE, WHITE]);
  });
  test('CMYK jpeg, within what its inks can show', async () => {
    const pixels = await resized(await picture.clone().toColourspace('cmyk').jpeg().toBuffer());
    expect(pixels).toHaveLength(16 * 16 * 3);
    expect(corners(pixels)[3]).toBe(WHITE);
    expect(pixels[0]).toBeGreaterThan(pixels[1]! + 100);
  });
  test('grey jpeg as rgb has three equal channels', async () => {
    const bytes = await picture.clone().greyscale().jpeg().toBuffer();
    const pixels = await resized(bytes);
    expect(pixels).toHaveLength(16 * 16 * 3);
    expect([pixels[1], pixels[2]]).toEqual([pixels[0], pixels[0]]);
  });
});

describe('colour order', () => {
  test('bgr swaps red and blue', async () => {
    const pixels = await resized(await quarters(64, 64).png().toBuffer(), { colour: 'bgr' });
    expect(corners(pixels)).toEqual([BLUE, GREEN, RED, WHITE]);
  });
  test('grey is the luma of BT.601', async () => {
    const bytes = await quarters(64, 64).png().toBuffer();
    const pixels = await resized(bytes, { colour: 'grey', kernel: 'nearest' });
    expect(pixels).toHaveLength(16 * 16);
    expect([pixels[0], pixels[15], pixels[240], pixels[255]]).toEqual([76, 150, 29, 255]);
  });
  test('transparent pixels show the padding colour', async () => {
    const bytes = await quarters(64, 64).ensureAlpha(0).png().toBuffer();
    const pixels = await resized(bytes, { padding: [0, 0, 255] });
    expect(corners(pixels)).toEqual([BLUE, BLUE, BLUE, BLUE]);
  });
});

describe('EXIF orientation is undone', () => {
  test.each([
    [1, [RED, GREEN, BLUE, WHITE]],
    [2, [GREEN, RED, WHITE, BLUE]],
    [3, [WHITE, BLUE, GREEN, RED]],
    [4, [BLUE, WHITE, RED, GREEN]],
    [5, [RED, BLUE, GREEN, WHITE]],
    [6, [BLUE, RED, WHITE, GREEN]],
    [7, [WHITE, GREEN, BLUE, RED]],
    [8, [GREEN, WHITE, RED, BLUE]],
  ])('orientation %i', async (orientation, expected) => {
    expect(corners(await resized(await turnedJpeg(640, 320, orientation)))).toEqual(expected);
  });
});

describe('modes', () => {
  const wide = () => quarters(512, 256).jpeg({ quality: 95 }).toBuffer();
  test('fit-shortest cuts the sides off evenly', async () => {
    const pixels = await resized(await wide(), { mode: 'fit-shortest' });
    expect(corners(pixels)).toEqual([RED, GREEN, BLUE, WHITE]);
    expect(colourAt(pixels, 0.01, 0.01)).toBe(RED);
  });
  test('fit-longest lays the picture between bars', async () => {
    const padding = [255, 255, 0] as const;
    const pixels = await resized(await wide(), { mode: 'fit-longest', padding });
    const column = [0.05, 0.2, 0.3, 0.7, 0.8, 0.95].map((y) => colourAt(pixels, 0.2, y));
    expect(column).toEqual(['330', '330', RED, BLUE, '330', '330']);
  });
  test('fit-longest of a turned picture uses the size as displayed', async () => {
    const bytes = await turnedJpeg(512, 256, 6);
    const pixels = await resized(bytes, { mode: 'fit-longest' });
    const row = [0.05, 0.3, 0.7, 0.95].map((x) => colourAt(pixels, x, 0.2));
    expect(row).toEqual(['000', BLUE, RED, '000']);
  });
  test.each(['squash', 'fit-shortest', 'fit-longest'] as const)(
    '%s of one row of pixels',
    async (mode) => {
      const bytes = await quarters(3000, 1).png().toBuffer();
      expect(await resized(bytes, { mode })).toHaveLength(16 * 16 * 3);
    },
  );
  test.each(['squash', 'fit-shortest', 'fit-longest'] as const)('%s of one pixel', async (mode) => {
    const bytes = await quarters(1, 1).png().toBuffer();
    expect(await resized(bytes, { mode })).toHaveLength(16 * 16 * 3);
  });
});

describe('damaged pixels are an error, not a grey picture', () => {
  const invalid = expect.objectContaining({ code: 'payload-invalid' });
  test.each([0.2, 0.5, 0.9])('jpeg cut at %d of its length', async (part) => {
    const bytes = await quarters(640, 480).jpeg().toBuffer();
    const cut = bytes.subarray(0, Math.floor(bytes.length * part));
    await expect(resized(cut)).rejects.toEqual(invalid);
  });
  test('jpeg whose header says more rows than it has', async () => {
    await expect(resized(await lyingJpeg(64, 4000))).rejects.toEqual(invalid);
  });
  test('jpeg with stray bytes, unless flaws are accepted', async () => {
    const bytes = await quarters(64, 64).jpeg().toBuffer();
    const frame = bytes.indexOf(Buffer.from([0xff, 0xc0]));
    const stray = Buffer.concat([
      bytes.subarray(0, frame),
      Buffer.alloc(9, 7),
      bytes.subarray(frame),
    ]);
    await expect(resized(stray)).rejects.toEqual(invalid);
    expect(corners(await resized(stray, { flaws: 'accept' }))[0]).toBe(RED);
  });
  test('png cut in its pixels', async () => {
    const bytes = await quarters(640, 480).png().toBuffer();
    await expect(resized(bytes.subarray(0, bytes.length / 2))).rejects.toEqual(invalid);
  });
  test('webp cut in its pixels', async () => {
    const bytes = await quarters(640, 480).webp().toBuffer();
    await expect(
      resizeImage({ bytes: bytes.subarray(0, bytes.length / 2), width: 640, height: 480 }, PLAN),
    ).rejects.toEqual(invalid);
  });
  test('a file of another kind than its header was read for', async () => {
    const bytes = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>');
    await expect(resizeImage({ bytes, width: 9, height: 9 }, PLAN)).rejects.toEqual(invalid);
  });
});

test('a png of 49 megapixels of zeros, 50 kB, is within the limit and decoded', async () => {
  const side = 7000;
  const data = new Uint8Array(side * side);
  const bytes = encodePng({ width: side, height: side, channels: 1, data });
  expect(bytes.length).toBeLessThan(200_000);
  const pixels = await resized(bytes);
  expect(pixels.every((level) => level === 0)).toBe(true);
});
