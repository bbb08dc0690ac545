import type { Packet } from 'mqtt-packet';
import { deviceName, encodeEvent, type FaultEvent } from './event.ts';
import { type Link, openLink } from './link.ts';
import type { Random } from './random.ts';
import type { Tally } from './tally.ts';

/** A publisher that gives up nothing: what is not acknowledged is sent again at every reconnect. */
export interface Publisher {
  readonly link: Link;
  /** Events without an acknowledgement yet. */
  readonly waiting: number;
  readonly acknowledged: number;
  /** Refused by the broker with a reason code, by code; those are sent again too. */
  readonly refused: Readonly<Record<number, number>>;
  /** Stops making new events. */
  halt(): void;
  /** Whether all events were made and acknowledged. */
  readonly done: boolean;
  close(): Promise<void>;
}

export interface PublisherOptions {
  readonly port: number;
  readonly clientId: string;
  readonly protocol?: 4 | 5;
  readonly qos: 1 | 2;
  /** Topic with `{device}`. */
  readonly topic: string;
  /** Numbers of its devices: no other publisher may have them. */
  readonly devices: readonly number[];
  readonly ratePerSecond: number;
  /** How many events it makes in all. */
  readonly total: number;
  readonly random: Random;
  readonly tally: Tally;
  /** What the event of this number of this device carries beside its id. */
  shape?(device: number, number: number): Partial<FaultEvent>;
}

interface Pending {
  readonly event: FaultEvent;
  /** `received`: the broker has it (PUBREC), its PUBREL is not confirmed. */
  stage: 'publish' | 'received';
  tries: number;
}

/** Events without acknowledgement at a time, where the broker allows more. */
const WINDOW = 64;
const TICK_MS = 10;
const PACKET_ID_MAX = 65_535;
/** A refused event is sent again after this. */
const REFUSED_RETRY_MS = 200;

/** Starts publishing at once. */
export function openPublisher(options: PublisherOptions): Publisher {
  const { qos, devices, tally, ratePerSecond, total } = options;
  /** In the order of sending: packet ids are given in that order too. */
  const pending = new Map<number, Pending>();
  const refused: Record<number, number> = {};
  const next = new Map(devices.map((device) => [device, 0]));
  let window = WINDOW;
  let made = 0;
  let allowance = 0;
  let packetId = 0;
  let halted = false;
  let acknowledged = 0;

  const link = openLink({
    port: options.port,
    clientId: options.clientId,
    protocol: options.protocol ?? 5,
    random: options.random.fork(options.clientId),
    onUp(connack) {
      window = Math.min(WINDOW, connack.properties?.receiveMaximum ?? WINDOW);
      for (const [id, entry] of pending) {
        // Without a session the broker knows of no half-done exchange: begin it again.
        if (!connack.sessionPresent) entry.stage = 'publish';
        resend(id, entry);
      }
    },
    onPacket,
  });

  function onPacket(packet: Packet): void {
    if (packet.cmd !== 'puback' && packet.cmd !== 'pubrec' && packet.cmd !== 'pubcomp') return;
    const id = packet.messageId ?? 0;
    const entry = pending.get(id);
    const code = packet.reasonCode ?? 0;
    if (packet.cmd === 'pubcomp') {
      if (entry?.stage === 'received') pending.delete(id);
      return;
    }
    if (entry === undefined) return;
    if (code >= 0x80) {
      refused[code] = (refused[code] ?? 0) + 1;
      setTimeout(() => pending.has(id) && resend(id, entry), REFUSED_RETRY_MS).unref();
      return;
    }
    if (entry.stage === 'publish') {
      acknowledged += 1;
      tally.acknowledge(entry.event.device, entry.event.number);
    }
    if (packet.cmd === 'puback') {
      pending.delete(id);
      return;
    }
    entry.stage = 'received';
    link.send({ cmd: 'pubrel', messageId: id });
  }

  function resend(id: number, entry: Pending): void {
    if (entry.stage === 'received') {
      link.send({ cmd: 'pubrel', messageId: id });
      return;
    }
    const { event } = entry;
    const sent = link.send({
      cmd: 'publish',
      topic: options.topic.replace('{device}', deviceName(event.device)),
      payload: encodeEvent(event),
      qos,
      retain: false,
      dup: entry.tries > 0,
      messageId: id,
    });
    if (!sent) return;
    entry.tries += 1;
    tally.send(event.device, event.number);
  }

  function freeId(): number {
    do packetId = (packetId % PACKET_ID_MAX) + 1;
    while (pending.has(packetId));
    return packetId;
  }

  const timer = setInterval(() => {
    allowance = Math.min(allowance + (ratePerSecond * TICK_MS) / 1000, WINDOW);
    while (!halted && link.up && allowance >= 1 && made < total && pending.size < window) {
      const device = devices[made % devices.length]!;
      const number = next.get(device)!;
      next.set(device, number + 1);
      made += 1;
      allowance -= 1;
      const plain = { device, number, mark: 0, extra: 0 };
      const event = { ...plain, ...options.shape?.(device, number) };
      const entry: Pending = { event, stage: 'publish', tries: 0 };
      const id = freeId();
      pending.set(id, entry);
      resend(id, entry);
    }
  }, TICK_MS);

  return {
    link,
    get waiting() {
      return pending.size;
    },
    get acknowledged() {
      return acknowledged;
    },
    refused,
    halt() {
      halted = true;
    },
    get done() {
      return (halted || made >= total) && pending.size === 0;
    },
    async close() {
      clearInterval(timer);
      await link.close();
    },
  };
}
