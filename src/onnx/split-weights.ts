import { createHash } from 'node:crypto';
import { LedgeError } from '../std/error.ts';
import { rawBytesOf } from './constant.ts';
import { mapConstants } from './edit-model.ts';
import type { Entry, Model, TensorRecord } from './proto.ts';
import { EXTERNAL } from './weights.ts';

/** Smaller constants stay in the model: shapes and axes are read before any weights are. */
const TENSOR_BYTES_MIN = 1024;
/** ONNX advises a page: a part of the file that is mapped begins at one. */
const ALIGNMENT = 4096;

/** A file of weights beside a model. */
export interface WeightsFile {
  /** Carries the start of its own checksum: a new model never changes the files of an old one. */
  readonly name: string;
  readonly sha256: string;
  readonly bytes: number;
  /** What it holds, with the place of each piece. */
  readonly pieces: readonly { readonly offset: number; readonly data: Uint8Array }[];
}

export interface SplitModel {
  readonly model: Model;
  readonly files: readonly WeightsFile[];
}

/**
 * Moves the weights of a model into files of at most `bytesMax` bytes, equal numbers once. Throws
 * `config-invalid` where one constant alone is larger.
 */
export function splitWeights(model: Model, bytesMax: number): SplitModel {
  const chunks: Chunk[] = [];
  const places = new Map<string, Place>();
  mapConstants(model, (tensor) => {
    const data = weightsOf(tensor);
    if (data === undefined) return tensor;
    if (data.length > bytesMax) throw tooLarge(tensor, data.length, bytesMax);
    const key = createHash('sha256').update(data).digest('hex');
    if (!places.has(key)) places.set(key, put(chunks, data, bytesMax));
    return tensor;
  });
  const files = chunks.map((chunk, at) => fileOf(chunk, at));
  const split = mapConstants(model, (tensor) => {
    const data = weightsOf(tensor);
    if (data === undefined) return tensor;
    const place = places.get(createHash('sha256').update(data).digest('hex'))!;
    return outside(tensor, { location: files[place.chunk]!.name, offset: place.offset, data });
  });
  return { model: split, files };
}

interface Chunk {
  bytes: number;
  readonly pieces: { readonly offset: number; readonly data: Uint8Array }[];
}

interface Place {
  readonly chunk: number;
  readonly offset: number;
}

function weightsOf(tensor: TensorRecord): Uint8Array | undefined {
  const data = rawBytesOf(tensor);
  return data !== undefined && data.length >= TENSOR_BYTES_MIN ? data : undefined;
}

/** In the order of the model, so that a loader that reads chunk by chunk goes forward. */
function put(chunks: Chunk[], data: Uint8Array, bytesMax: number): Place {
  let chunk = chunks.at(-1);
  let offset = chunk === undefined ? 0 : Math.ceil(chunk.bytes / ALIGNMENT) * ALIGNMENT;
  if (chunk === undefined || offset + data.length > bytesMax) {
    chunk = { bytes: 0, pieces: [] };
    chunks.push(chunk);
    offset = 0;
  }
  chunk.pieces.push({ offset, data });
  chunk.bytes = offset + data.length;
  return { chunk: chunks.length - 1, offset };
}

function fileOf({ bytes, pieces }: Chunk, at: number): WeightsFile {
  const hash = createHash('sha256');
  let end = 0;
  for (const { offset, data } of pieces) {
    hash.update(new Uint8Array(offset - end)).update(data);
    end = offset + data.length;
  }
  const sha256 = hash.digest('hex');
  const name = `weights-${String(at).padStart(3, '0')}-${sha256.slice(0, 8)}.bin`;
  return { name, sha256, bytes, pieces };
}

function outside(
  tensor: TensorRecord,
  { location, offset, data }: { location: string; offset: number; data: Uint8Array },
): TensorRecord {
  const entry = (key: string, value: string): Entry => ({ unknown: [], key, value });
  const { unknown, name, dims, dataType } = tensor;
  const externalData = [
    entry('location', location),
    entry('offset', String(offset)),
    entry('length', String(data.length)),
  ];
  return {
    unknown,
    ...(name !== undefined && { name }),
    dims,
    ...(dataType !== undefined && { dataType }),
    stringData: [],
    externalData,
    dataLocation: EXTERNAL,
  };
}

function tooLarge(tensor: TensorRecord, bytes: number, bytesMax: number): LedgeError {
  const state = `"${tensor.name}" alone has ${bytes} bytes, a file at most ${bytesMax}`;
  return new LedgeError('config-invalid', `Cannot split the weights: ${state}`, {
    context: { tensor: tensor.name, bytes, bytesMax },
  });
}
