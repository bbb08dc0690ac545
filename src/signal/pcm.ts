/** How one sample is stored, little-endian; uint8 has its zero at 128. */
export type SampleFormat = 'uint8' | 'int16' | 'int24' | 'int32' | 'float32';

const BYTES = { uint8: 1, int16: 2, int24: 3, int32: 4, float32: 4 } as const;

/** Bytes of one sample. */
export function sampleBytes(format: SampleFormat): number {
  return BYTES[format];
}

export interface PcmLayout {
  readonly format: SampleFormat;
  readonly channels: number;
}

/**
 * Interleaved samples as one channel in -1..1, the mean of all channels; a new buffer.
 * A last frame that is not whole is left out.
 */
export function toMono(bytes: Uint8Array, { format, channels }: PcmLayout): Float32Array {
  const frames = Math.floor(bytes.byteLength / (channels * BYTES[format]));
  const mono = new Float32Array(frames);
  if (format === 'int16' && channels === 1) return int16ToMono(bytes, mono);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = READERS[format];
  const step = BYTES[format];
  let at = 0;
  for (let frame = 0; frame < frames; frame++) {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++, at += step) sum += read(view, at);
    mono[frame] = sum / channels;
  }
  return mono;
}

/** The commonest case, three times as fast as through a DataView. */
function int16ToMono(bytes: Uint8Array, mono: Float32Array): Float32Array {
  for (let index = 0; index < mono.length; index++) {
    const unsigned = bytes[2 * index]! | (bytes[2 * index + 1]! << 8);
    mono[index] = ((unsigned << 16) >> 16) / 32_768;
  }
  return mono;
}

const READERS: Readonly<Record<SampleFormat, (view: DataView, at: number) => number>> = {
  uint8: (view, at) => (view.getUint8(at) - 128) / 128,
  int16: (view, at) => view.getInt16(at, true) / 32_768,
  int24: (view, at) => (view.getUint16(at, true) | (view.getInt8(at + 2) << 16)) / 8_388_608,
  int32: (view, at) => view.getInt32(at, true) / 2_147_483_648,
  float32: (view, at) => view.getFloat32(at, true),
};
