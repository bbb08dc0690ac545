/** Windows of `size` rows, one every `hop` rows; a row has `width` elements. */
export interface Windowing {
  readonly size: number;
  readonly hop: number;
  /** Rows of zeros before the first row. */
  readonly pad: number;
  /** Most windows that one block may complete. */
  readonly windowsMax: number;
}

/** Rows that come in blocks, and the windows that they complete. */
export interface SlidingWindow {
  /**
   * The windows that this block completes, each a buffer of its own. Throws RangeError, and keeps
   * its state, where they are more than `windowsMax`.
   */
  push(block: Float32Array): Float32Array[];
  /** Forgets every row: the next one is the first again. */
  restart(): void;
}

/** A sliding window at the start of a signal; it keeps less than one window and one hop of rows. */
export function createSlidingWindow(windowing: Windowing, width: number): SlidingWindow {
  const { size, hop, pad, windowsMax } = windowing;
  let kept = new Float32Array(0);
  let skip = 0; // elements that fall between two windows where hop is larger than size
  const restart = (): void => {
    kept = new Float32Array(pad * width);
    skip = 0;
  };
  restart();
  return {
    restart,
    push(block) {
      const rest = block.subarray(Math.min(skip, block.length));
      const rows = (kept.length + rest.length) / width;
      const count = rows < size ? 0 : 1 + Math.floor((rows - size) / hop);
      checkCount(count, windowsMax);
      const whole = new Float32Array(kept.length + rest.length);
      whole.set(kept);
      whole.set(rest, kept.length);
      const windows: Float32Array[] = [];
      for (let index = 0; index < count; index++) {
        windows.push(whole.slice(index * hop * width, (index * hop + size) * width));
      }
      const next = count * hop * width;
      skip = Math.max(0, skip - block.length) + Math.max(0, next - whole.length);
      kept = count === 0 ? whole : whole.slice(next);
      return windows;
    },
  };
}

/** `pad`: a last window that is not full ends in zeros; `drop`: it is left out. */
export type PartialWindow = 'pad' | 'drop';

/** The windows of a whole clip, each a buffer of its own. Throws RangeError over `windowsMax`. */
export function windowClip(
  clip: Float32Array,
  { size, hop, pad, windowsMax }: Windowing,
  { width, partial }: { readonly width: number; readonly partial: PartialWindow },
): Float32Array[] {
  const rows = pad + clip.length / width;
  const steps = (rows - size) / hop;
  const count = partial === 'pad' ? 1 + Math.ceil(Math.max(0, steps)) : 1 + Math.floor(steps);
  checkCount(count, windowsMax);
  const windows: Float32Array[] = [];
  for (let index = 0; index < count; index++) {
    const window = new Float32Array(size * width);
    const start = (index * hop - pad) * width; // in the clip; below 0 where the padding is
    const from = Math.max(0, start);
    const end = Math.min(clip.length, start + window.length);
    if (end > from) window.set(clip.subarray(from, end), from - start);
    windows.push(window);
  }
  return windows;
}

function checkCount(count: number, windowsMax: number): void {
  if (count > windowsMax) throw new RangeError(`${count} windows, the limit is ${windowsMax}`);
}
