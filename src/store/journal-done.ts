/** Which records of a segment are done, one bit each. */
export function encodeDone(done: readonly boolean[]): Uint8Array {
  const bits = new Uint8Array(Math.ceil(done.length / 8));
  done.forEach((is, at) => {
    if (is) bits[at >> 3] = (bits[at >> 3] as number) | (1 << (at & 7));
  });
  return bits;
}

/** Whether the record is marked as done; none is where there are no marks. */
export function isDone(bits: Uint8Array | undefined, at: number): boolean {
  return (((bits?.[at >> 3] ?? 0) >> (at & 7)) & 1) === 1;
}
