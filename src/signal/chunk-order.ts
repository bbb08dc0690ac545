/**
 * Chunks that wait for one before them: two neighbours that changed places are put right, and after a
 * loss the sound is at most so many chunks late.
 */
const HELD_MAX = 2;
/** A chunk so far ahead has not overtaken the others: they are lost. */
const AHEAD_MAX = HELD_MAX + 1;
/** Numbers that are remembered as lost, to tell a late chunk from one that came twice. */
const LOST_KEPT = 64;
/** So many chunks in a row from behind: the sender has begun to count afresh. */
const STALE_MAX = 8;
/** So many numbers at once are no loss (minutes of sound): the sender counts from elsewhere. */
const JUMP_MAX = 10_000;
const NUMBERS = 2 ** 32;

/** What became of numbered chunks. */
export type ChunkCounts = {
  /** Never came, or came too late. */
  lost: number;
  /** Of those, replaced by silence. */
  bridged: number;
  /** Gaps too long for that: the sound goes on after them at once. */
  cuts: number;
  /** Came when their place was over. */
  late: number;
  duplicated: number;
  /** Came before their turn, and had it. */
  reordered: number;
  /** The sender counted from elsewhere. */
  restarts: number;
};

/** Counts of nothing yet. */
export function createChunkCounts(): ChunkCounts {
  return { lost: 0, bridged: 0, cuts: 0, late: 0, duplicated: 0, reordered: 0, restarts: 0 };
}

/** One stream whose chunks may be lost, overtaken or sent twice. */
export interface ChunkOrder<Sound> {
  /**
   * What can go on now, in order, silence for what is lost among it; nothing where the chunk waits, or
   * is of no use any more. A chunk without a number goes on at once.
   */
  push(sequence: number | undefined, sound: Sound): readonly Sound[];
  readonly counts: ChunkCounts;
}

export interface ChunkOrderOptions<Sound> {
  /** Longest gap that is bridged, in the units of a chunk's `length`. */
  readonly bridgedMax: number;
  silence(length: number): Sound;
  /** Counts that several streams share. */
  readonly counts?: ChunkCounts;
}

/** An order for chunks numbered 0 to 2^32 - 1 and round again. */
export function createChunkOrder<Sound extends { readonly length: number }>(
  options: ChunkOrderOptions<Sound>,
): ChunkOrder<Sound> {
  const { counts = createChunkCounts() } = options;
  const held = new Map<number, Sound>();
  const lost = new Set<number>();
  let expected: number | undefined;
  let stale = 0;

  /** Hands on what follows without a gap. */
  function drain(out: Sound[]): void {
    while (expected !== undefined) {
      const sound = held.get(expected);
      if (sound === undefined) return;
      held.delete(expected);
      out.push(sound);
      expected = (expected + 1) % NUMBERS;
    }
  }

  /** Gives up what is missing before the first chunk that waits. */
  function skip(out: Sound[]): void {
    if (expected === undefined) return;
    const from = expected;
    const [missing, next] = [...held.keys()]
      .map((number) => [distance(from, number), number] as const)
      .reduce((least, one) => (one[0] < least[0] ? one : least));
    const length = missing * (held.get(next)?.length ?? 0);
    counts.lost += missing;
    if (length <= options.bridgedMax) {
      counts.bridged += missing;
      out.push(options.silence(length));
    } else counts.cuts += 1;
    for (let at = Math.max(0, missing - LOST_KEPT); at < missing; at++) {
      lost.add((from + at) % NUMBERS);
    }
    for (const number of lost) {
      if (lost.size <= LOST_KEPT) break;
      lost.delete(number);
    }
    expected = next;
    drain(out);
  }

  function restart(sequence: number, sound: Sound, out: Sound[]): void {
    counts.restarts += 1;
    flush(out);
    lost.clear();
    stale = 0;
    expected = (sequence + 1) % NUMBERS;
    out.push(sound);
  }

  function flush(out: Sound[]): void {
    while (held.size > 0) skip(out);
  }

  function refuse(sequence: number): void {
    if (lost.delete(sequence)) counts.late += 1;
    else counts.duplicated += 1;
  }

  return {
    counts,
    push(sequence, sound) {
      const out: Sound[] = [];
      if (sequence === undefined) {
        flush(out);
        expected = undefined;
        return [...out, sound];
      }
      expected ??= sequence;
      const ahead = distance(expected, sequence);
      if (ahead >= NUMBERS / 2) {
        stale += 1;
        if (stale >= STALE_MAX) restart(sequence, sound, out);
        else refuse(sequence);
        return out;
      }
      stale = 0;
      if (ahead > JUMP_MAX) {
        restart(sequence, sound, out);
        return out;
      }
      if (held.has(sequence)) {
        counts.duplicated += 1;
        return out;
      }
      if (held.size > 0 && ahead === 0) counts.reordered += 1;
      held.set(sequence, sound);
      drain(out);
      while (held.size > HELD_MAX || (held.size > 0 && ahead > AHEAD_MAX)) skip(out);
      return out;
    },
  };
}

/** How far one number is ahead of another, the way round. */
function distance(from: number, to: number): number {
  return (to - from + NUMBERS) % NUMBERS;
}
