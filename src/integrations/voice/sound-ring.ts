/** What all sound of a session is: 16 kHz, one channel. */
export const SAMPLE_RATE_HZ = 16_000;
const PER_MS = SAMPLE_RATE_HZ / 1000;
/** Chunks whose arrival is remembered: ten seconds of the shortest, 20 ms. */
const CHUNKS_KEPT = 512;
/** An event is stamped by its flow and by the ring one after the other. */
const STAMP_MS = 10;
/** One frame in which the loudness of speech is measured. */
const FRAME = 10 * PER_MS;
/** A frame 20 dB below the loudest is no speech any more. */
const QUIET_PART = 0.1;

/** The last seconds of a device's sound; positions are samples since it was first heard. */
export interface SoundRing {
  /** Position after the last sample. */
  readonly end: number;
  push(samples: Int16Array, atMs: number): void;
  /** A copy; what is not there any more, or was before the first sample, is silence. */
  slice(from: number, to: number): Int16Array<ArrayBuffer>;
  /** Root mean square of a range, 0 to 1. */
  loudness(from: number, to: number): number;
  /** The end of the chunk that arrived at this moment; the newest where it is not told. */
  positionAt(ms: number | undefined): number;
  /** When the sound of this position was heard, by the arrival of its chunk. */
  timeOf(position: number): number;
  /** Where speech ended in a range: after its last frame that is not much quieter than the loudest. */
  speechEnd(from: number, to: number): number;
}

/** Milliseconds as samples. */
export function samplesOf(milliseconds: number): number {
  return Math.round(milliseconds * PER_MS);
}

/** Samples as milliseconds. */
export function millisecondsOf(samples: number): number {
  return samples / PER_MS;
}

/** An empty ring that keeps so many samples. */
export function createSoundRing(capacity: number): SoundRing {
  const kept = new Int16Array(capacity);
  const chunks: { readonly end: number; readonly atMs: number }[] = [];
  let end = 0;

  const first = () => Math.max(0, end - capacity);
  const levelOf = (from: number, to: number): number => {
    const begin = Math.max(from, first());
    const stop = Math.min(to, end);
    let sum = 0;
    for (let at = begin; at < stop; at++) sum += (kept[at % capacity]! / 32_768) ** 2;
    return stop > begin ? Math.sqrt(sum / (stop - begin)) : 0;
  };

  return {
    get end() {
      return end;
    },
    push(samples, atMs) {
      const last = samples.subarray(Math.max(0, samples.length - capacity));
      const start = end + samples.length - last.length;
      const place = start % capacity;
      const head = last.subarray(0, capacity - place);
      kept.set(head, place);
      kept.set(last.subarray(head.length), 0);
      end += samples.length;
      chunks.push({ end, atMs });
      if (chunks.length > CHUNKS_KEPT) chunks.shift();
    },
    slice(from, to) {
      const copy = new Int16Array(Math.max(0, to - from));
      for (let at = Math.max(from, first()); at < Math.min(to, end); at++) {
        copy[at - from] = kept[at % capacity]!;
      }
      return copy;
    },
    loudness: levelOf,
    positionAt(ms) {
      if (ms === undefined) return end;
      for (let at = chunks.length - 1; at >= 0; at--) {
        const chunk = chunks[at]!;
        if (chunk.atMs <= ms + STAMP_MS) return chunk.end;
      }
      return chunks[0]?.end ?? end;
    },
    timeOf(position) {
      let found = chunks.at(-1);
      for (let at = chunks.length - 1; at >= 0 && chunks[at]!.end >= position; at--) {
        found = chunks[at];
      }
      return found === undefined ? 0 : found.atMs - millisecondsOf(found.end - position);
    },
    speechEnd(from, to) {
      let loudest = 0;
      const frames: number[] = [];
      for (let at = Math.max(from, first()); at + FRAME <= to; at += FRAME) {
        const level = levelOf(at, at + FRAME);
        frames.push(level);
        loudest = Math.max(loudest, level);
      }
      const last = frames.findLastIndex((level) => level > 0 && level >= QUIET_PART * loudest);
      return last === -1 ? to : Math.max(from, first()) + (last + 1) * FRAME;
    },
  };
}
