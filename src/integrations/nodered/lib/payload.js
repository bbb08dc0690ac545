const { Failure } = require('./failure');

/** Arrays by the names Ledge gives to element types. */
const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
};

/** A payload as bytes: bytes as they are, text as UTF-8, anything else as JSON. */
function bytesOf(payload) {
  if (Buffer.isBuffer(payload)) return payload;
  if (ArrayBuffer.isView(payload)) {
    return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  }
  if (typeof payload === 'string') return Buffer.from(payload);
  if (payload === undefined) throw new Failure('no-payload', 'Cannot send: msg.payload is missing');
  return Buffer.from(JSON.stringify(payload));
}

/**
 * Numbers as little-endian float32: a typed array, a list, lists in lists, or `{data}` of these. Bytes
 * go as they are. What comes from a function node belongs to another world: no `instanceof` here.
 */
function floatBytesOf(payload) {
  const data = payload?.data !== undefined && !ArrayBuffer.isView(payload) ? payload.data : payload;
  if (Buffer.isBuffer(data)) return data;
  const numbers = ArrayBuffer.isView(data) ? data : Array.isArray(data) ? data.flat(Infinity) : [];
  const floats = Float32Array.from(numbers, Number);
  if (floats.length === 0 || floats.some((number) => Number.isNaN(number))) {
    throw new Failure('not-a-tensor', 'Cannot send: msg.payload is no array of numbers');
  }
  return Buffer.from(floats.buffer);
}

/** A result with each raw tensor in it, `{type, shape, data: base64}`, made an array of its type. */
function withArrays(result) {
  if (Array.isArray(result)) return result.map(withArrays);
  if (result === null || typeof result !== 'object') return result;
  const { type, shape, data } = result;
  if (Object.hasOwn(ARRAYS, type ?? '') && Array.isArray(shape) && typeof data === 'string') {
    return { ...result, data: typedArray(ARRAYS[type], Buffer.from(data, 'base64')) };
  }
  return Object.fromEntries(Object.entries(result).map(([name, one]) => [name, withArrays(one)]));
}

function typedArray(Kind, bytes) {
  const count = Math.floor(bytes.length / Kind.BYTES_PER_ELEMENT);
  const whole = Uint8Array.from(bytes.subarray(0, count * Kind.BYTES_PER_ELEMENT));
  return new Kind(whole.buffer);
}

module.exports = { bytesOf, floatBytesOf, withArrays };
