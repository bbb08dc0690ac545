import { LedgeError } from '../std/error.ts';
import type { SampleFormat } from './pcm.ts';

/** A RIFF file with more chunks before its sound is not a recording. */
const CHUNKS_MAX = 64;
/** Sizes from here on mean "unknown": recorders that write to a pipe put 2^31 or 2^32 - 1 there. */
const SIZE_UNKNOWN_FROM = 0x7fff_0000;
/** More channels than any microphone array on a small board has. */
const CHANNELS_MAX = 32;
/** The highest rate of any sound card. */
const SAMPLE_RATE_MAX = 768_000;

const TAG_PCM = 1;
const TAG_FLOAT = 3;
const TAG_EXTENSIBLE = 0xfffe;
/** The last 14 bytes of the GUID of every format that a 16-bit tag can name. */
const GUID_TAIL = '000000001000800000aa00389b71';

/** What a WAV file holds: `data` is a view of the file's bytes, whole frames only. */
export interface Wav {
  readonly format: SampleFormat;
  readonly sampleRateHz: number;
  readonly channels: number;
  readonly data: Uint8Array;
  /** Bytes that the header promises and the file does not have; 0 where the size is unknown. */
  readonly missingBytes: number;
}

/** Whether bytes begin as a RIFF file does. */
export function isRiff(bytes: Uint8Array): boolean {
  return bytes.byteLength >= 12 && fourCc(bytes, 0) === 'RIFF';
}

/**
 * Walks the chunks of a WAV file to its sound; no size in it is believed beyond the bytes that are
 * there. PCM of 8, 16, 24 and 32 bits and float32, also as WAVE_FORMAT_EXTENSIBLE.
 * Throws LedgeError payload-invalid.
 * Source: Microsoft, "Multiple channel audio data and WAVE files".
 */
export function parseWav(bytes: Uint8Array): Wav {
  if (!isRiff(bytes) || fourCc(bytes, 8) !== 'WAVE') {
    throw wavInvalid('it does not begin with RIFF and WAVE');
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const riffSize = view.getUint32(4, true);
  let format: WavFormat | undefined;
  let at = 12;
  for (let count = 0; count < CHUNKS_MAX && at + 8 <= bytes.byteLength; count++) {
    const id = fourCc(bytes, at);
    const size = view.getUint32(at + 4, true);
    const start = at + 8;
    if (id === 'fmt ') format = parseFormat(view, start, size);
    if (id === 'data') {
      if (format === undefined) throw wavInvalid('its data chunk stands before its fmt chunk');
      return { ...format, ...dataOf(bytes, { start, size, riffSize, format }) };
    }
    at = start + size + (size % 2); // chunks are padded to even sizes
  }
  throw wavInvalid(format === undefined ? 'it has no fmt chunk' : 'it has no data chunk');
}

type WavFormat = Pick<Wav, 'format' | 'sampleRateHz' | 'channels'> & { frameBytes: number };

function parseFormat(view: DataView, start: number, size: number): WavFormat {
  if (size < 16 || start + size > view.byteLength) throw wavInvalid('its fmt chunk is cut');
  const channels = view.getUint16(start + 2, true);
  const sampleRateHz = view.getUint32(start + 4, true);
  const frameBytes = view.getUint16(start + 12, true);
  const bits = view.getUint16(start + 14, true);
  const tag = formatTag(view, start, size);
  if (channels < 1 || channels > CHANNELS_MAX) throw wavInvalid(`it has ${channels} channels`);
  if (sampleRateHz < 1 || sampleRateHz > SAMPLE_RATE_MAX) {
    throw wavInvalid(`its sample rate is ${sampleRateHz}`);
  }
  const format = FORMATS[`${tag}/${bits}`];
  if (format === undefined) {
    throw wavInvalid(`format ${tag} with ${bits} bits, expected PCM of 8 to 32 bits or float32`);
  }
  if (frameBytes !== (channels * bits) / 8) {
    throw wavInvalid(`a frame of ${channels} x ${bits} bits says it has ${frameBytes} bytes`);
  }
  return { format, sampleRateHz, channels, frameBytes };
}

const FORMATS: Readonly<Record<string, SampleFormat>> = {
  [`${TAG_PCM}/8`]: 'uint8',
  [`${TAG_PCM}/16`]: 'int16',
  [`${TAG_PCM}/24`]: 'int24',
  [`${TAG_PCM}/32`]: 'int32',
  [`${TAG_FLOAT}/32`]: 'float32',
};

function formatTag(view: DataView, start: number, size: number): number {
  const tag = view.getUint16(start, true);
  if (tag !== TAG_EXTENSIBLE) return tag;
  if (size < 40) throw wavInvalid('its extensible fmt chunk is cut');
  const tail = new Uint8Array(view.buffer, view.byteOffset + start + 26, 14);
  if (Buffer.from(tail).toString('hex') !== GUID_TAIL)
    throw wavInvalid('its sub-format is unknown');
  return view.getUint16(start + 24, true);
}

interface DataChunk {
  readonly start: number;
  readonly size: number;
  readonly riffSize: number;
  readonly format: WavFormat;
}

function dataOf(
  bytes: Uint8Array,
  { start, size, riffSize, format: { frameBytes } }: DataChunk,
): Pick<Wav, 'data' | 'missingBytes'> {
  const there = bytes.byteLength - start;
  const streamed = riffSize === 0 || riffSize >= SIZE_UNKNOWN_FROM;
  const unknown = size >= SIZE_UNKNOWN_FROM || (size === 0 && streamed);
  if (!unknown && size % frameBytes !== 0) {
    throw wavInvalid(`its data has ${size} bytes, no multiple of the frame's ${frameBytes}`);
  }
  const usable = Math.min(unknown ? there : size, there);
  const whole = usable - (usable % frameBytes);
  return {
    data: bytes.subarray(start, start + whole),
    missingBytes: unknown ? 0 : size - whole,
  };
}

function fourCc(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!);
}

function wavInvalid(state: string): LedgeError {
  return new LedgeError('payload-invalid', `Cannot decode WAV: ${state}`);
}

/** A mono 16-bit WAV file of samples in -1..1; what is louder is clipped. */
export function encodeWav(samples: Float32Array, sampleRateHz: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(44 + samples.length * 2);
  const view = new DataView(bytes.buffer);
  const put = (at: number, text: string): void => {
    for (let index = 0; index < text.length; index++) bytes[at + index] = text.charCodeAt(index);
  };
  put(0, 'RIFF');
  view.setUint32(4, bytes.byteLength - 8, true);
  put(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, TAG_PCM, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, sampleRateHz, true);
  view.setUint32(28, sampleRateHz * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  put(36, 'data');
  view.setUint32(40, samples.length * 2, true);
  for (let index = 0; index < samples.length; index++) {
    const scaled = Math.round(samples[index]! * 32_768);
    view.setInt16(44 + index * 2, Math.max(-32_768, Math.min(32_767, scaled)), true);
  }
  return bytes;
}
