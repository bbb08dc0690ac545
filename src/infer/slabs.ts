/** Buffers kept for the next batches: a few of the largest usual batch (32 small images). */
const KEPT_BYTES_MAX = 33_554_432;
/** Smaller buffers are not worth telling apart. */
const SLAB_BYTES_MIN = 4_096;

/** Buffers that travel to a worker and back, so that their pages stay warm. */
export interface Slabs {
  /** A buffer of at least this many bytes, with old contents. */
  take(bytes: number): ArrayBuffer;
  give(slab: ArrayBuffer): void;
}

/** A bounded store of buffers by size, in powers of two. */
export function createSlabs(): Slabs {
  const kept = new Map<number, ArrayBuffer[]>();
  let keptBytes = 0;
  return {
    take(bytes) {
      const size = slabSize(bytes);
      const slab = kept.get(size)?.pop();
      if (slab === undefined) return new ArrayBuffer(size);
      keptBytes -= size;
      return slab;
    },
    give(slab) {
      const size = slab.byteLength;
      if (size < SLAB_BYTES_MIN || keptBytes + size > KEPT_BYTES_MAX) return;
      const list = kept.get(size);
      if (list === undefined) kept.set(size, [slab]);
      else list.push(slab);
      keptBytes += size;
    },
  };
}

function slabSize(bytes: number): number {
  if (bytes <= SLAB_BYTES_MIN) return SLAB_BYTES_MIN;
  return 2 ** Math.ceil(Math.log2(bytes));
}
