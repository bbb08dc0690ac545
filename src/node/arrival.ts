import type { Delivery, Message, Sent } from '../bus/bus.ts';
import type { FlowEvent } from '../flow/event.ts';
import type { Journal, Place } from '../store/journal.ts';
import type { JournalRecord } from '../store/journal-record.ts';
import type { FirstCopy } from './resent.ts';
import type { WireEntry } from './wire.ts';

/** Where an event came from. */
export interface Origin {
  readonly qos: 0 | 1 | 2;
  /** None for an event of the journal. */
  readonly delivery?: Delivery;
  /** Another broker keeps what is not settled. */
  readonly kept?: boolean;
  /** Told when a second copy of the message may be acknowledged. */
  readonly first?: FirstCopy | undefined;
}

/**
 * One event on its way through a flow, and whom to tell. Its publisher is acknowledged once it has its
 * place in the queue and, in the journal, on disk; or once what became of it is handed over, which may
 * be sooner.
 */
export class Arrival implements WireEntry {
  readonly event: FlowEvent;
  readonly qos: 0 | 1 | 2;
  #working = false;
  #queued = false;
  #kept = true;
  #accepted = false;
  #journal: Journal | undefined;
  #place: Place | undefined;
  readonly #delivery: Delivery | undefined;
  readonly #origin: Origin;
  readonly #onBegun: () => void;

  constructor(event: FlowEvent, origin: Origin, onBegun: () => void) {
    this.event = event;
    this.qos = origin.qos;
    this.#origin = origin;
    this.#delivery = origin.delivery;
    this.#onBegun = onBegun;
  }

  get working(): boolean {
    return this.#working;
  }

  get journaled(): boolean {
    return this.#place !== undefined;
  }

  get comesAgain(): boolean {
    if (this.#place === undefined) return this.#origin.kept === true;
    return this.#journal?.waits(this.#place) !== true;
  }

  /** Puts it into the journal; `onKept` is called once it is on disk. */
  keepIn(journal: Journal, flow: string, record: JournalRecord, onKept = nothing): void {
    this.#journal = journal;
    this.#kept = false;
    this.#place = journal.append(flow, record, () => {
      this.#kept = true;
      this.#origin.first?.taken();
      this.#acceptIfReady();
      onKept();
    });
  }

  /** It comes from the journal. */
  keptAt(journal: Journal, place: Place): void {
    this.#journal = journal;
    this.#place = place;
  }

  accepted(): void {
    this.#queued = true;
    this.#acceptIfReady();
  }

  begun(): void {
    this.#working = true;
    this.#onBegun();
  }

  /** What became of it has been handed over. */
  settle(): void {
    const journal = this.#journal;
    const end = () => {
      this.#origin.first?.taken();
      this.#accept();
      this.#delivery?.settle();
    };
    if (journal === undefined || this.#place === undefined) return end();
    journal.remove(this.#place);
    journal.whenWritable(end);
  }

  #acceptIfReady(): void {
    if (this.#queued && this.#kept) this.#accept();
  }

  #accept(): void {
    if (this.#accepted) return;
    this.#accepted = true;
    this.#delivery?.accept();
  }
}

/** What the journal keeps of a message; its expiry becomes a moment. */
export function recordOf(message: Message, event: FlowEvent, sent?: Sent): JournalRecord {
  const { topic, payload, qos, properties } = message;
  const { id, ts } = event;
  const sender = sent && {
    sender: [sent.by, sent.packetId] as const,
    ...(sent.again && { again: true as const }),
  };
  if (properties === undefined) return { id, ts, topic, qos, payload, ...sender };
  const { messageExpiryInterval, ...rest } = properties;
  return {
    id,
    ts,
    topic,
    qos,
    payload,
    ...sender,
    properties: rest,
    ...(messageExpiryInterval !== undefined && { expiresAt: ts + messageExpiryInterval * 1e3 }),
  };
}

/** The message of a record, with what is left of its life; a clock that was set back gives no more. */
export function messageOfRecord(record: JournalRecord, now: number): Message {
  const { topic, payload, qos, properties, expiresAt } = record;
  const left = expiresAt === undefined ? undefined : Math.max(0, expiresAt - now) / 1e3;
  return {
    topic,
    payload,
    qos,
    retain: false,
    properties: { ...properties, ...(left !== undefined && { messageExpiryInterval: left }) },
  };
}

function nothing(): void {}
