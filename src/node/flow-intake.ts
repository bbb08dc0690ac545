import type { Bus, Delivery, Sent } from '../bus/bus.ts';
import type { FlowEvent } from '../flow/event.ts';
import { LedgeError } from '../std/error.ts';
import type { Journal } from '../store/journal.ts';
import type { JournalRecord } from '../store/journal-record.ts';
import { Arrival, messageOfRecord, recordOf } from './arrival.ts';
import type { LoadedFlow } from './flow-load.ts';
import type { Log } from './log.ts';
import type { ReplayTrial } from './replay-trial.ts';
import { createResent, FirstCopy } from './resent.ts';
import { toEvent, type WireCounts } from './wire.ts';

/** Devices of these names would publish where the node reports: `.../dropped`, `.../dead-letter`. */
const RESERVED_DEVICES = new Set(['dropped', 'dead-letter']);

export interface FlowIntakeOptions {
  readonly bus: Pick<Bus, 'kind'>;
  /** None where nothing is kept over a crash. */
  readonly journal: Journal | undefined;
  readonly trial: ReplayTrial;
  readonly counts: WireCounts;
  readonly log: Log;
  /** The flow as it is now. */
  loaded(): LoadedFlow;
  /** Puts an event into the flow's queue. */
  offer(arrival: Arrival): void;
  /** Lays an event with the dead letters at once. */
  refuse(arrival: Arrival, error: LedgeError): void;
}

/** Makes events of what arrives for one flow, after those that the journal kept of it. */
export interface FlowIntake {
  receive(delivery: Delivery): void;
  /** Begins with what the journal kept. Idempotent. */
  begin(): void;
  /** Events that wait for those of the journal, or for the disk. */
  readonly behind: { readonly events: number; readonly bytes: number };
  /** Resolves when the journal's events have been offered, if that has begun. */
  readonly replayed: Promise<void>;
  /** Offers no more; gives what still waited. */
  stop(): Arrival[];
}

/** An event that waits for those of the journal. */
interface Behind {
  readonly arrival: Arrival;
  readonly sent: Sent | undefined;
}

/** Creates a flow's intake; until it begins, what arrives waits behind what the journal has. */
export function createFlowIntake(options: FlowIntakeOptions): FlowIntake {
  const { bus, journal, trial, counts, log } = options;
  const flow = options.loaded().parts.name;
  const resent = createResent();
  let stopped = false;
  /** New events stay behind the old ones: undefined once those have been offered. */
  const old = journal !== undefined && journal.count(flow).events > 0;
  let behind: Behind[] | undefined = old ? [] : undefined;
  let behindBytes = 0;
  /** Events of QoS 2 whose way to the disk is not over. */
  const unkept = new Set<Arrival>();
  let replayed: Promise<void> | undefined;

  function begin(): void {
    if (journal === undefined || !old) return;
    replayed ??= replay(journal)
      .catch((error: unknown) => log.error('Cannot replay the journal', { error: String(error) }))
      .then(letGo);
  }

  async function replay(from: Journal): Promise<void> {
    let count = 0;
    await trial.begin();
    for await (const [place, record] of from.replay(flow)) {
      if (stopped) return;
      const { pattern, deadlineMs } = options.loaded().intake;
      const device = pattern.deviceOf(record.topic);
      // The flow takes other topics by now; what it took over before is still its own.
      const message = messageOfRecord(record, Date.now());
      const event = toEvent(message, device ?? '', { deadlineMs, replayOf: record });
      const second = isSecond(record);
      rememberOld(record);
      const verdict = second ? 'second' : await trial.admit(`${flow} ${event.id}`);
      if (stopped) return;
      counts.replayed += 1;
      count += 1;
      await new Promise<void>((resolve) => {
        const settle = () => trial.settled(`${flow} ${event.id}`);
        const delivery: Delivery = { message, accept: resolve, settle };
        const arrival = new Arrival(event, { qos: record.qos, delivery }, begun);
        arrival.keptAt(from, place);
        if (verdict === 'second') settleSecond(arrival);
        else if (verdict === 'give-up') giveUp(arrival);
        else take(arrival, { device });
      });
    }
    trial.end();
    log.info('Replayed what the journal kept', { events: count });
  }

  function letGo(): void {
    if (stopped) return;
    const waiting = behind ?? [];
    behind = undefined;
    behindBytes = 0;
    for (const one of waiting) offerOnce(one);
  }

  /** Offers what came while the journal was replayed, unless its first copy was in there. */
  function offerOnce({ arrival, sent }: Behind): void {
    if (resent.find(sent, arrival.event.id) === undefined) {
      options.offer(arrival);
      return;
    }
    settleSecond(arrival);
  }

  function giveUp(arrival: Arrival): void {
    const text = `Each time that the node worked on this event alone, its process ended`;
    log.error('Laid an event with the dead letters', { event: arrival.event.id, reason: text });
    options.refuse(arrival, new LedgeError('worker-crashed', text));
    arrival.accepted();
  }

  function settleSecond(arrival: Arrival): void {
    counts.dropped.duplicate = (counts.dropped.duplicate ?? 0) + 1;
    arrival.settle();
  }

  /** Both copies of a message were taken in, and then the node was killed. */
  function isSecond({ id, sender, again }: JournalRecord): boolean {
    if (sender === undefined) return false;
    const [by, packetId] = sender;
    return resent.find({ by, packetId, again: again === true }, id) !== undefined;
  }

  function rememberOld({ id, sender }: JournalRecord): void {
    if (sender === undefined) return;
    const first = new FirstCopy(id);
    first.taken();
    const [by, packetId] = sender;
    resent.remember({ by, packetId }, first);
  }

  function begun(): void {
    counts.inFlight += 1;
  }

  function receive(delivery: Delivery): void {
    const { message } = delivery;
    const intake = options.loaded().intake;
    const device = intake.pattern.deviceOf(message.topic);
    if (device === undefined) {
      delivery.accept();
      delivery.settle();
      return;
    }
    counts.received += 1;
    const event = toEvent(message, device, intake);
    // Another broker keeps an event until it is settled: to keep it here as well would be twice.
    const kept = bus.kind === 'external' && message.qos > 0;
    const here = bus.kind === 'embedded' && message.qos > 0 && intake.delivery === 'at-least-once';
    if (journal === undefined || !here) {
      take(new Arrival(event, { qos: message.qos, delivery, kept }, begun), { device });
      return;
    }
    const { sent } = delivery;
    const before = resent.find(sent, event.id);
    if (before !== undefined) {
      counts.dropped.duplicate = (counts.dropped.duplicate ?? 0) + 1;
      before.whenTaken(() => {
        delivery.accept();
        delivery.settle();
      });
      return;
    }
    const first = new FirstCopy(event.id);
    // What may turn out to be a second copy must not stand in the place of the first.
    const doubtful = sent?.again === true && behind !== undefined;
    if (sent !== undefined && !doubtful) resent.remember(sent, first);
    const arrival = new Arrival(event, { qos: message.qos, delivery, first }, begun);
    const record = recordOf(message, event, sent);
    if (sent?.qos !== 2) {
      arrival.keepIn(journal, flow, record);
      take(arrival, { device, sent });
      return;
    }
    // Exactly once: what is worked on before it is on disk would be new to the next life of the node.
    unkept.add(arrival);
    arrival.keepIn(journal, flow, record, () => {
      if (!unkept.delete(arrival)) return;
      if (doubtful && behind === undefined) offerOnce({ arrival, sent });
      else take(arrival, { device, sent });
    });
  }

  function take(
    arrival: Arrival,
    { device, sent }: { readonly device: string | undefined; readonly sent?: Sent | undefined },
  ): void {
    const refusal = refusalOf(arrival.event, device);
    if (refusal !== undefined) {
      options.refuse(arrival, refusal);
      arrival.accepted();
    } else if (behind === undefined || arrival.event.replayed === true) options.offer(arrival);
    else {
      behind.push({ arrival, sent });
      behindBytes += arrival.event.payload.byteLength;
    }
  }

  function refusalOf({ topic, payload }: FlowEvent, device?: string): LedgeError | undefined {
    const { payloadBytesMax, pattern } = options.loaded().intake;
    if (device === undefined) {
      const text = `The flow takes ${pattern.pattern} by now, the event came on ${topic}`;
      return new LedgeError('value-invalid', text);
    }
    if (payload.byteLength > payloadBytesMax) {
      const bytes = payload.byteLength;
      const text = `The payload has ${bytes} bytes, flow "${flow}" takes ${payloadBytesMax}`;
      return new LedgeError('payload-too-large', text);
    }
    if (!RESERVED_DEVICES.has(device)) return undefined;
    return new LedgeError('value-invalid', `Device "${device}" has the name of a report topic`);
  }

  return {
    receive,
    begin,
    get replayed() {
      return replayed ?? Promise.resolve();
    },
    get behind() {
      let bytes = behindBytes;
      for (const { event } of unkept) bytes += event.payload.byteLength;
      return { events: (behind?.length ?? 0) + unkept.size, bytes };
    },
    stop() {
      stopped = true;
      const left = [...(behind?.splice(0) ?? []).map(({ arrival }) => arrival), ...unkept];
      unkept.clear();
      return left;
    },
  };
}
