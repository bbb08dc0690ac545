import type { SampleFormat } from '../../../src/signal/pcm.ts';

export interface WavParts {
  readonly format?: SampleFormat;
  readonly channels?: number;
  readonly sampleRateHz?: number;
  readonly data: readonly number[];
  /** Chunks before the data. */
  readonly before?: readonly (readonly [id: string, body: readonly number[]])[];
  readonly dataSize?: number;
  readonly riffSize?: number;
  readonly extensible?: boolean;
}

const FORMATS = {
  uint8: [1, 8],
  int16: [1, 16],
  int24: [1, 24],
  int32: [1, 32],
  float32: [3, 32],
} as const;

const GUID_TAIL = [0, 0, 0, 0, 16, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];

/** A WAV file byte by byte, its header as wrong as the parts say. */
export function wavFile(parts: WavParts): number[] {
  const { format = 'int16', channels = 1, sampleRateHz = 16_000, data, before = [] } = parts;
  const [tag, bits] = FORMATS[format];
  const frame = (channels * bits) / 8;
  const basic = [
    ...le(parts.extensible ? 0xfffe : tag, 2),
    ...le(channels, 2),
    ...le(sampleRateHz, 4),
    ...le(sampleRateHz * frame, 4),
    ...le(frame, 2),
    ...le(bits, 2),
  ];
  const extension = [...le(22, 2), ...le(bits, 2), ...le(0, 4), ...le(tag, 2), ...GUID_TAIL];
  const chunks = [
    ...chunk('fmt ', parts.extensible ? [...basic, ...extension] : basic),
    ...before.flatMap(([id, body]) => chunk(id, body)),
    ...ascii('data'),
    ...le(parts.dataSize ?? data.length, 4),
    ...data,
  ];
  return [
    ...ascii('RIFF'),
    ...le(parts.riffSize ?? chunks.length + 4, 4),
    ...ascii('WAVE'),
    ...chunks,
  ];
}

function chunk(id: string, body: readonly number[]): number[] {
  return [...ascii(id), ...le(body.length, 4), ...body, ...(body.length % 2 === 0 ? [] : [0])];
}

/** A number little-endian. */
export function le(value: number, size: number): number[] {
  return Array.from({ length: size }, (_, index) => Math.floor(value / 256 ** index) & 0xff);
}

function ascii(text: string): number[] {
  return [...text].map((letter) => letter.charCodeAt(0));
}
