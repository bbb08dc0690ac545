import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';

/** Readers of this protocol take lines of 64 KiB: nobody can mean more. */
export const HEADER_BYTES_MAX = 65_536;
/** The largest data that is ever sent to a service is a sentence with its context. */
export const DATA_BYTES_MAX = 262_144;
/** Three seconds of the largest audio format; recorders send parts of a second. */
export const PAYLOAD_BYTES_MAX = 1_048_576;
/** Data up to here goes into the header line, far below the reader's limit. */
const HEADER_DATA_BYTES_MAX = 8192;
/** A buffer that grew beyond this is given back once it is empty. */
const KEPT_BYTES_MAX = 131_072;
const NEWLINE = 10;

/** One event of the protocol. */
export interface Frame {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly payload: Uint8Array;
}

/** Cuts a stream of bytes into frames. */
export interface FrameReader {
  /**
   * The frames that this chunk completes, each read when it is asked for. Throws LedgeError
   * payload-invalid or payload-too-large at the first that is none; the stream is then of no more use.
   */
  push(chunk: Uint8Array): Generator<Frame, void>;
  /** Whether the stream stands within a frame. */
  readonly partial: boolean;
  /** Bytes of the frame that is not whole. */
  readonly heldBytes: number;
}

const record = z.record(z.string(), z.unknown());
const headerSchema = z.object({
  type: z.string().min(1).max(128),
  data: record.nullish(),
  data_length: z.int().min(0).nullish(),
  payload_length: z.int().min(0).nullish(),
});

interface Head {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly dataBytes: number;
  readonly payloadBytes: number;
}

const EMPTY = new Uint8Array(0);

/** A reader at the start of a stream. Holds at most one frame within its limits and one chunk. */
export function createFrameReader(): FrameReader {
  let held = Buffer.alloc(0);
  let length = 0; // bytes of held that are used
  let scanned = 0; // bytes of the header line that were searched
  let head: Head | undefined;

  function append(chunk: Uint8Array): void {
    if (length + chunk.byteLength > held.byteLength) {
      const grown = Buffer.allocUnsafe(Math.max(2 * held.byteLength, length + chunk.byteLength));
      held.copy(grown, 0, 0, length);
      held = grown;
    }
    held.set(chunk, length);
    length += chunk.byteLength;
  }

  /** Takes `at` bytes off the front. */
  function drop(at: number): void {
    if (at === 0) return;
    held.copyWithin(0, at, length);
    length -= at;
    if (length === 0 && held.byteLength > KEPT_BYTES_MAX) held = Buffer.alloc(0);
  }

  /** Where the header line that begins at `at` ends; undefined where it is not whole. */
  function lineEnd(at: number): number | undefined {
    const found = held.subarray(0, length).indexOf(NEWLINE, at + scanned);
    const bytes = (found === -1 ? length : found) - at;
    if (bytes > HEADER_BYTES_MAX) throw tooLarge('its header line', bytes, HEADER_BYTES_MAX);
    if (found !== -1) return found;
    scanned = length - at;
    return undefined;
  }

  function* push(chunk: Uint8Array): Generator<Frame, void> {
    append(chunk);
    let at = 0;
    try {
      for (;;) {
        if (head === undefined) {
          const end = lineEnd(at);
          if (end === undefined) return;
          head = parseHead(held.subarray(at, end));
          scanned = 0;
          at = end + 1;
        }
        const { type, data, dataBytes, payloadBytes } = head;
        if (length - at < dataBytes + payloadBytes) return;
        const middle = at + dataBytes;
        const more = dataBytes === 0 ? undefined : parseData(held.subarray(at, middle));
        const payload = new Uint8Array(held.subarray(middle, middle + payloadBytes));
        head = undefined;
        at = middle + payloadBytes;
        yield {
          type,
          data: more === undefined ? data : { ...data, ...more },
          payload,
        };
      }
    } finally {
      drop(at);
    }
  }

  return {
    push,
    get partial() {
      return length > 0 || head !== undefined;
    },
    get heldBytes() {
      return length;
    },
  };
}

/** One event as bytes: `data` in the header where it is small, behind it where it is not. */
export function encodeFrame(
  type: string,
  data: Readonly<Record<string, unknown>> = {},
  payload: Uint8Array = EMPTY,
): Uint8Array {
  const body = Buffer.from(JSON.stringify(data));
  const small = body.byteLength <= HEADER_DATA_BYTES_MAX;
  const header = {
    type,
    data: small ? data : {},
    ...(!small && { data_length: body.byteLength }),
    ...(payload.byteLength > 0 && { payload_length: payload.byteLength }),
  };
  const line = Buffer.from(`${JSON.stringify(header)}\n`);
  return Buffer.concat(small ? [line, payload] : [line, body, payload]);
}

function parseHead(line: Uint8Array): Head {
  const parsed = headerSchema.safeParse(parseJson(line, 'header line'));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const field = issue?.path.join('.') || 'the whole';
    throw invalid(`its header line does not fit: ${field}: ${issue?.message}`);
  }
  const { type, data, data_length, payload_length } = parsed.data;
  const dataBytes = data_length ?? 0;
  const payloadBytes = payload_length ?? 0;
  if (dataBytes > DATA_BYTES_MAX) throw tooLarge('data_length', dataBytes, DATA_BYTES_MAX);
  if (payloadBytes > PAYLOAD_BYTES_MAX) {
    throw tooLarge('payload_length', payloadBytes, PAYLOAD_BYTES_MAX);
  }
  return { type, data: data ?? {}, dataBytes, payloadBytes };
}

function parseData(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  const parsed = record.safeParse(parseJson(bytes, 'data'));
  if (!parsed.success) throw invalid('its data is no JSON object');
  return parsed.data;
}

function parseJson(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    throw invalid(`its ${what} is no JSON`, cause);
  }
}

function invalid(state: string, cause?: unknown): LedgeError {
  return new LedgeError('payload-invalid', `Cannot read a Wyoming event: ${state}`, { cause });
}

function tooLarge(field: string, bytes: number, bytesMax: number): LedgeError {
  const text = `Cannot read a Wyoming event: ${field} has ${bytes} bytes, at most ${bytesMax}`;
  return new LedgeError('payload-too-large', text, { context: { field, bytes, bytesMax } });
}
