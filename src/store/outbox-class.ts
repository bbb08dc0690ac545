/** What a message is worth while the uplink is away; most urgent first. */
export const OUTBOX_CLASSES = ['alarm', 'state', 'telemetry', 'media'] as const;

export type OutboxClass = (typeof OUTBOX_CLASSES)[number];

/** What a class does when it is full. `compact-latest` keeps one message of each topic at any time. */
export const OVERFLOW_POLICIES = ['drop-oldest', 'drop-newest', 'compact-latest'] as const;

export type OverflowPolicy = (typeof OVERFLOW_POLICIES)[number];

/** Bounds of one class. */
export interface ClassLimits {
  readonly bytesMax: number;
  readonly messagesMax: number;
  /** Counted while the node runs, so that a clock that is set drops nothing. */
  readonly ageSecondsMax: number;
  /** Share of the link where several classes wait: one of 64 sends 16 times the bytes of one of 4. */
  readonly weight: number;
  readonly overflow: OverflowPolicy;
}

const MIB = 1024 * 1024;
const DAY = 24 * 60 * 60;

/** The bytes of all classes together: a weekend of results, and small on the smallest card of 8 GB. */
export const OUTBOX_BYTES_MAX = 512 * MIB;

/**
 * Bounds that suit a node which is offline for a weekend. The index costs some 500 bytes of memory for
 * each message: 145,000 of them are 70 MB.
 */
export const DEFAULT_LIMITS: Readonly<Record<OutboxClass, ClassLimits>> = {
  alarm: {
    bytesMax: 64 * MIB,
    messagesMax: 20_000,
    ageSecondsMax: 30 * DAY,
    weight: 64,
    overflow: 'drop-oldest',
  },
  state: {
    bytesMax: 64 * MIB,
    messagesMax: 20_000,
    ageSecondsMax: 7 * DAY,
    weight: 16,
    overflow: 'compact-latest',
  },
  telemetry: {
    bytesMax: 256 * MIB,
    messagesMax: 100_000,
    ageSecondsMax: 3 * DAY,
    weight: 4,
    overflow: 'drop-oldest',
  },
  media: {
    bytesMax: 256 * MIB,
    messagesMax: 5_000,
    ageSecondsMax: DAY,
    weight: 1,
    overflow: 'drop-oldest',
  },
};

/** Why the outbox gave a message up. */
export type OutboxDropReason =
  | 'overflow' // its class was full
  | 'gave-way' // a more urgent class needed its room
  | 'compacted' // a later message of its topic took its place
  | 'expired' // older than its class allows, or than its own expiry interval
  | 'too-large' // larger than the broker takes
  | 'refused' // the broker refuses it for good
  | 'damaged'; // its bytes on disk could not be read

/** Counters of one class over all runs: emitted = acked + queued + the sum of dropped. */
export interface ClassCounts {
  emitted: number;
  acked: number;
  dropped: Partial<Record<OutboxDropReason, number>>;
}

/** Counters of one class, and what is needed to keep them in step with the disk. */
export interface Tally extends ClassCounts {
  /** The number of the last message that came; one that never reached the disk leaves a gap. */
  lastSeq: number;
  /** Emitted, and not handed to the store yet because it takes nothing. */
  unwritten: number;
}

/** What waits in one class, what is on its way included. */
export interface ClassStats extends Readonly<ClassCounts> {
  readonly queued: {
    readonly messages: number;
    readonly bytes: number;
    readonly oldestAgeSeconds: number;
  };
}
