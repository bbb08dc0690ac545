import { describe, expect, test } from 'vitest';
import {
  createSoundFilters,
  openSoundIntake,
  SAMPLE_RATE_HZ,
} from '../../../src/integrations/wyoming/sound.ts';

const FREQUENCY_HZ = 440;
const SECONDS = 0.5;
const filters = createSoundFilters();

/** A tone of half amplitude in any format, the same in every channel. */
function tone(rate: number, width: number, channels: number): Uint8Array {
  const frames = Math.round(rate * SECONDS);
  const bytes = Buffer.alloc(frames * width * channels);
  const full = 2 ** (8 * width - 1);
  for (let frame = 0; frame < frames; frame++) {
    const sample = Math.round(0.5 * full * Math.sin((2 * Math.PI * FREQUENCY_HZ * frame) / rate));
    for (let channel = 0; channel < channels; channel++) {
      bytes.writeIntLE(sample, (frame * channels + channel) * width, width);
    }
  }
  return bytes;
}

function convert(bytes: Uint8Array, format: Parameters<typeof openSoundIntake>[0], step: number) {
  const intake = openSoundIntake(format, filters);
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += step) {
    parts.push(intake.push(bytes.subarray(at, at + step)));
  }
  const all = Buffer.concat([...parts, intake.flush()]);
  return Array.from({ length: all.length / 2 }, (_, at) => all.readInt16LE(2 * at) / 32_768);
}

describe.each([
  [16_000, 2, 1],
  [48_000, 2, 2],
  [44_100, 2, 1],
  [22_050, 3, 1],
  [8000, 1, 1],
  [16_000, 4, 8],
  [11_025, 4, 2],
  [192_000, 2, 2],
])('sound of %i samples/s, %i bytes, %i channels', (rate, width, channels) => {
  const format = { rate, width, channels };
  const sound = tone(rate, width, channels);

  test('becomes the same tone at 16 kHz', () => {
    const samples = convert(sound, format, sound.length);
    expect(Math.abs(samples.length - SECONDS * SAMPLE_RATE_HZ)).toBeLessThanOrEqual(1);
    const middle = samples.slice(2000, 6000);
    const wrong = middle.map((sample, at) => {
      const time = (at + 2000) / SAMPLE_RATE_HZ;
      return Math.abs(sample - 0.5 * Math.sin(2 * Math.PI * FREQUENCY_HZ * time));
    });
    // Eight bits have steps of 1/128.
    expect(Math.max(...wrong)).toBeLessThan(width === 1 ? 0.01 : 0.001);
  });

  test('is the same whether it comes whole or cut within frames', () => {
    expect(convert(sound, format, 1001)).toEqual(convert(sound, format, sound.length));
  });
});

test('a rate without a simple ratio is refused by its name', () => {
  const open = () => openSoundIntake({ rate: 44_099, width: 2, channels: 1 }, filters);
  expect(open).toThrow(expect.objectContaining({ code: 'unsupported' }));
  expect(open).toThrow('44099');
});
