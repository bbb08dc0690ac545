import sharp from 'sharp';
import { expect, test } from 'vitest';
import { coarsen, drawHeat } from '../../src/image/draw.ts';
import { encodePng } from '../../src/image/png.ts';

const luma = (rgb: Uint8Array) => 0.299 * rgb[0]! + 0.587 * rgb[1]! + 0.114 * rgb[2]!;

test('a heat map grows lighter with every step', () => {
  const data = Float32Array.from({ length: 101 }, (_, index) => index / 100);
  const { data: pixels } = drawHeat({ width: 101, height: 1, data }, 0, 1);
  const lumas = Array.from(data, (_, index) => luma(pixels.subarray(index * 3, index * 3 + 3)));
  for (let index = 1; index < lumas.length; index += 1) {
    expect(lumas[index]).toBeGreaterThan(lumas[index - 1]!);
  }
});

test('numbers outside the range take the colours of its ends', () => {
  const data = Float32Array.of(-5, 0, 1, 9);
  const { data: pixels } = drawHeat({ width: 4, height: 1, data }, 0, 1);
  expect(pixels.subarray(0, 3)).toEqual(pixels.subarray(3, 6));
  expect(pixels.subarray(6, 9)).toEqual(pixels.subarray(9, 12));
  expect(pixels.subarray(3, 6)).not.toEqual(pixels.subarray(6, 9));
});

test.each([1, 3, 4] as const)('a PNG of %i channels decodes to its pixels', async (channels) => {
  const data = Uint8Array.from({ length: 5 * 7 * channels }, (_, index) => (index * 37) % 256);
  const png = encodePng({ width: 5, height: 7, channels, data });
  const decoded = await sharp(png).raw().toBuffer({ resolveWithObject: true });
  expect(decoded.info).toMatchObject({ width: 5, height: 7 });
  const step = decoded.info.channels / channels;
  expect(Array.from(data, (_, index) => decoded.data[index * step])).toEqual(Array.from(data));
});

test('a coarser grid keeps the largest number of each cell', () => {
  const data = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const small = coarsen({ width: 5, height: 3, data }, 3);
  expect(small).toEqual({ width: 3, height: 2, data: Float32Array.of(7, 9, 10, 12, 14, 15) });
  expect(coarsen(small, 3)).toBe(small);
});
