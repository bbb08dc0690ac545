import { describe, expect, test } from 'vitest';
import { PIXELS_MAX_DEFAULT, readImageHeader } from '../../src/image/header.ts';
import { lyingJpeg, pngHeader, quarters, turnedJpeg, webpHeader } from './pictures.ts';

const read = (bytes: Uint8Array) => readImageHeader(bytes, PIXELS_MAX_DEFAULT);

describe('a header says what the encoder wrote', () => {
  const picture = quarters(61, 35);
  test.each([
    ['jpeg', () => picture.clone().jpeg().toBuffer()],
    ['jpeg', () => picture.clone().jpeg({ progressive: true }).toBuffer()],
    ['jpeg', () => picture.clone().greyscale().jpeg().toBuffer()],
    ['jpeg', () => picture.clone().toColourspace('cmyk').jpeg().toBuffer()],
    ['png', () => picture.clone().png().toBuffer()],
    ['png', () => picture.clone().png({ palette: true }).toBuffer()],
    ['png', () => picture.clone().toColourspace('rgb16').png().toBuffer()],
    ['webp', () => picture.clone().webp().toBuffer()],
    ['webp', () => picture.clone().webp({ lossless: true }).toBuffer()],
    ['webp', () => picture.clone().ensureAlpha(0.5).webp().toBuffer()],
  ])('%s', async (format, encode) => {
    expect(read(await encode())).toEqual({ format, width: 61, height: 35 });
  });
});

describe('the size is the one displayed', () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])('jpeg with EXIF orientation %i', async (orientation) => {
    const turned = orientation >= 5;
    expect(read(await turnedJpeg(60, 34, orientation))).toMatchObject(
      turned ? { width: 34, height: 60 } : { width: 60, height: 34 },
    );
  });
  test.each(['png', 'webp'] as const)('%s with EXIF orientation 6', async (format) => {
    const picture = quarters(60, 34).withMetadata({ orientation: 6 });
    const bytes = await picture.toFormat(format).toBuffer();
    expect(read(bytes)).toEqual({ format, width: 34, height: 60 });
  });
});

describe('a header over the limit is refused', () => {
  test.each([
    ['png 50,000 x 50,000', () => pngHeader(50_000, 50_000)],
    ['jpeg 50,000 x 50,000', () => lyingJpeg(50_000, 50_000)],
    ['webp 16,383 x 16,383', () => webpHeader(16_383, 16_383)],
    ['png one pixel high, 70,000 wide', () => pngHeader(70_000, 1)],
    ['png 2^32 - 1 square', () => pngHeader(0xffff_ffff, 0xffff_ffff)],
  ])('%s', async (_title, make) => {
    const bytes = await make();
    expect(() => read(bytes)).toThrow(expect.objectContaining({ code: 'payload-too-large' }));
  });
  test('the limit itself is taken', () => {
    expect(readImageHeader(pngHeader(100, 50), 5000)).toMatchObject({ width: 100 });
    expect(() => readImageHeader(pngHeader(100, 51), 5000)).toThrow(/over the limit of 5000/);
  });
});

describe('bytes that hold no image are refused', () => {
  test.each([
    ['no byte', new Uint8Array()],
    ['one byte', Uint8Array.of(0xff)],
    ['text', Buffer.from('{"temperature": 21.5}')],
    ['a GIF', Buffer.from('GIF89a\x01\0\x01\0\0\0\0;')],
    ['an SVG', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>')],
    ['a JPEG of its mark alone', Uint8Array.of(0xff, 0xd8, 0xff)],
    ['a JPEG of fill bytes', new Uint8Array(100_000).fill(0xff).fill(0xd8, 1, 2)],
    ['a JPEG whose segment has no length', Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0, 0, 0, 0)],
    ['a JPEG that scans before it has a frame', Uint8Array.of(0xff, 0xd8, 0xff, 0xda, 0, 8)],
    ['a PNG of its signature alone', pngHeader(8, 8).subarray(0, 8)],
    ['a PNG without pixels', pngHeader(8, 8).subarray(0, 33)],
    ['a PNG 0 pixels wide', pngHeader(0, 8)],
    ['a WebP of its mark alone', webpHeader(8, 8).subarray(0, 12)],
    ['a WebP that ends in its first chunk', webpHeader(8, 8).subarray(0, 24)],
  ])('%s', (_title, bytes) => {
    expect(() => read(bytes)).toThrow(expect.objectContaining({ code: 'payload-invalid' }));
  });
  test('a JPEG cut anywhere in its header', async () => {
    const bytes = await turnedJpeg(32, 32, 6);
    const scan = bytes.indexOf(Buffer.from([0xff, 0xda]));
    for (let end = 0; end <= scan; end += 1) {
      expect(() => read(bytes.subarray(0, end)), `${end} bytes`).toThrow(/^Cannot read/);
    }
    expect(read(bytes.subarray(0, scan + 2))).toMatchObject({ width: 32 });
  });
});

test('a header with any byte changed is read or refused, never a fault', async () => {
  const files = [
    await turnedJpeg(16, 16, 3),
    await quarters(16, 16).png().toBuffer(),
    await quarters(16, 16).withMetadata({ orientation: 8 }).webp().toBuffer(),
  ];
  for (const file of files) {
    for (let at = 0; at < Math.min(file.length, 700); at += 1) {
      for (const byte of [0x00, 0x01, 0x7f, 0xff]) {
        const changed = Buffer.from(file);
        changed[at] = byte;
        expect(outcomeOf(changed), `byte ${at} as ${byte}`).toMatch(/^(read|payload-)/);
      }
    }
  }
});

function outcomeOf(bytes: Uint8Array): string {
  try {
    return `read ${read(bytes).width}`;
  } catch (error) {
    return String((error as { code?: unknown }).code);
  }
}
