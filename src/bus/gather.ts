import type { Duplex } from 'node:stream';

/** What the pieces are filled up to: one system call takes a thousand of them. */
const PIECE_BYTES = 64 * 1024;
/** A chunk from this size on goes as it is: copying it costs more than a piece of its own. */
const COPIED_BYTES_MAX = 16 * 1024;

/** A chunk as a Writable hands over what it gathered. */
interface Chunk {
  readonly chunk: Buffer | string;
  readonly encoding: BufferEncoding;
}

/**
 * Joins the small chunks that wait in a stream before they are written. The MQTT library writes a
 * packet as five chunks and more, and the system takes 1,024 chunks in one call: a connection that fell
 * behind once would send two hundred messages per turn of the event loop, however many more come in.
 */
export function gatherWrites<Stream extends Duplex>(stream: Stream): Stream {
  const writev = stream._writev?.bind(stream);
  const write = stream._write.bind(stream);
  stream._writev = (chunks, done) => {
    const pieces = join(chunks as readonly Chunk[]);
    const [only] = pieces;
    if (only !== undefined && pieces.length === 1) {
      write(only, 'buffer' as BufferEncoding, done);
    } else if (writev !== undefined) {
      writev(
        pieces.map((chunk) => ({ chunk, encoding: 'buffer' as BufferEncoding })),
        done,
      );
    } else {
      writeEach(pieces, write, done);
    }
  };
  return stream;
}

type Write = (
  chunk: Buffer,
  encoding: BufferEncoding,
  done: (error?: Error | null) => void,
) => void;

function writeEach(
  pieces: readonly Buffer[],
  write: Write,
  done: (error?: Error | null) => void,
): void {
  let at = 0;
  const next = (error?: Error | null) => {
    const piece = pieces[at];
    at += 1;
    if (error || piece === undefined) done(error);
    else write(piece, 'buffer' as BufferEncoding, next);
  };
  next();
}

function join(chunks: readonly Chunk[]): Buffer[] {
  const pieces: Buffer[] = [];
  let left = 0;
  for (const { chunk } of chunks) {
    const bytes = Buffer.byteLength(chunk);
    if (bytes < COPIED_BYTES_MAX) left += bytes;
  }
  let piece = Buffer.alloc(0);
  let filled = 0;
  const finish = () => {
    if (filled > 0) pieces.push(piece.subarray(0, filled));
    left -= filled;
    piece = piece.subarray(filled);
    filled = 0;
  };
  for (const { chunk, encoding } of chunks) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk;
    if (bytes.length >= COPIED_BYTES_MAX) {
      finish();
      pieces.push(bytes);
      continue;
    }
    if (filled + bytes.length > piece.length) {
      finish();
      piece = Buffer.allocUnsafe(Math.min(left, PIECE_BYTES));
    }
    bytes.copy(piece, filled);
    filled += bytes.length;
  }
  finish();
  return pieces;
}
