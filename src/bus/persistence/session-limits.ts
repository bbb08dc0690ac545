/**
 * What becomes of a message that a session has no room for. `disconnect-session` ends the session: its
 * client sees at its next connect that nothing was kept.
 */
export type Overflow = (typeof OVERFLOWS)[number];

/** The policies by name. */
export const OVERFLOWS = ['drop-oldest', 'drop-newest', 'disconnect-session'] as const;

/** What the broker keeps for its clients, at most. */
export interface SessionLimits {
  /** Messages of one session that are not acknowledged, sent or not. At most 60,000. */
  readonly queueMessagesMax: number;
  /** Their bytes, each with a part for its place in the lists. */
  readonly queueBytesMax: number;
  readonly overflow: Overflow;
  /** A longer session expiry interval, and any session of MQTT 3.1.1, is cut to this. */
  readonly expirySecondsMax: number;
  /** Sessions of absent clients; one more ends with its connection. */
  readonly sessionsMax: number;
  /** The queues of all sessions together. */
  readonly bytesMax: number;
  readonly retainedMessagesMax: number;
  readonly retainedBytesMax: number;
}

/** The limits of a broker that was told none. */
export const SESSION_LIMITS: SessionLimits = {
  // A night of one message every few seconds.
  queueMessagesMax: 10_000,
  // Two of the largest messages.
  queueBytesMax: 32 * 1024 * 1024,
  overflow: 'drop-oldest',
  // A long weekend, and the Monday after it.
  expirySecondsMax: 4 * 24 * 60 * 60,
  sessionsMax: 1_000,
  // A share of the disk of the smallest board, or of its memory where nothing is kept on disk.
  bytesMax: 256 * 1024 * 1024,
  // Each device of a large site has several topics.
  retainedMessagesMax: 20_000,
  // A retained camera picture of each of some hundred cameras.
  retainedBytesMax: 64 * 1024 * 1024,
};

/** Packet identifiers are 16 bits wide; some must be free whenever a message needs one. */
export const QUEUE_MESSAGES_MOST = 60_000;
/** 24 days: a timer of the platform counts 31 bits of milliseconds. */
export const EXPIRY_SECONDS_MOST = 24 * 24 * 60 * 60;
/** What a message's place in the lists costs beside its payload and topic. */
export const ENTRY_BYTES = 256;
/** Messages on their way to one client: more only fill its buffers. */
export const IN_FLIGHT_MAX = 1_000;
/** Payloads of one connected session that stay in memory although they are on disk. */
export const SESSION_MEMORY_BYTES_MAX = 1024 * 1024;
/** Messages that are read back from disk at once. */
export const READ_BACK_MAX = 32;

/** Told of what was lost: for want of room, or because it was damaged. */
export type Tell = (code: 'overflow' | 'value-invalid', text: string) => void;
