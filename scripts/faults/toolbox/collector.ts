import type { IPublishPacket, Packet } from 'mqtt-packet';
import { decodeEvent, deviceName, type FaultEvent } from './event.ts';
import { type Link, openLink } from './link.ts';
import type { Random } from './random.ts';
import type { Tally } from './tally.ts';
import { until } from './wait.ts';

/** A consumer with a persistent session that writes down which ids came, and in which order. */
export interface Collector {
  readonly link: Link;
  /** Messages that came, of any kind. */
  readonly messages: number;
  /** Times its session was gone when it came back. */
  readonly sessionsLost: number;
  /** Messages that said, in the body or beside it, that they are replayed. */
  readonly replayed: number;
  /** Results by their own id, each counted once: what a consumer has that drops duplicates. */
  readonly resultIds: number;
  /** Dead letters by the code of their error. */
  readonly deadLetterCodes: Readonly<Record<string, number>>;
  /** The last retained or live message of each further topic that was asked for. */
  readonly told: ReadonlyMap<string, unknown>;
  /** Resolves once it is subscribed. */
  ready(ms: number): Promise<boolean>;
  close(): Promise<void>;
}

export interface CollectorOptions {
  readonly port: number;
  readonly clientId?: string;
  readonly protocol?: 4 | 5;
  readonly qos?: 1 | 2;
  /** Results, dead letters and drops of this filter, e.g. `ledge/faults/+/+`. */
  readonly filters: readonly string[];
  readonly random: Random;
  readonly tally: Tally;
}

interface ResultBody {
  readonly id?: string;
  readonly result?: { readonly value?: readonly number[] | readonly (readonly number[])[] };
  readonly replayed?: boolean;
}

const SUBSCRIBE_ID = 1;

/** Connects in the background and subscribes whenever the broker does not know its session. */
export function openCollector(options: CollectorOptions): Collector {
  const { clientId = 'collector', qos = 1, filters, tally } = options;
  const halfDone = new Set<number>();
  const told = new Map<string, unknown>();
  const deadLetterCodes: Record<string, number> = {};
  const ids = new Set<string>();
  let messages = 0;
  let sessionsLost = 0;
  let replayed = 0;
  let subscribed = false;

  const link: Link = openLink({
    port: options.port,
    clientId,
    protocol: options.protocol ?? 5,
    random: options.random.fork(clientId),
    onUp(connack) {
      if (connack.sessionPresent && subscribed) return;
      if (subscribed) sessionsLost += 1;
      subscribed = false;
      halfDone.clear();
      const subscriptions = filters.map((topic) => ({ topic, qos, nl: false, rap: false, rh: 0 }));
      link.send({ cmd: 'subscribe', messageId: SUBSCRIBE_ID, subscriptions });
    },
    onPacket,
  });

  function onPacket(packet: Packet): void {
    if (packet.cmd === 'suback') subscribed = true;
    else if (packet.cmd === 'pubrel') {
      halfDone.delete(packet.messageId ?? 0);
      link.send({ cmd: 'pubcomp', messageId: packet.messageId ?? 0 });
    } else if (packet.cmd === 'publish') receive(packet);
  }

  function receive(packet: IPublishPacket): void {
    const id = packet.messageId ?? 0;
    if (packet.qos === 2) {
      if (!halfDone.has(id)) take(packet);
      halfDone.add(id);
      link.send({ cmd: 'pubrec', messageId: id });
      return;
    }
    take(packet);
    if (packet.qos === 1) link.send({ cmd: 'puback', messageId: id });
  }

  function take({ topic, payload, properties }: IPublishPacket): void {
    messages += 1;
    if (properties?.userProperties?.replayed === 'true') replayed += 1;
    const body = parseBody(payload);
    if (topic.endsWith('/dead-letter')) return takeDeadLetter(body);
    if (topic.endsWith('/dropped')) return takeDrops(body);
    const event = eventOf(body as ResultBody);
    if (event === undefined) {
      told.set(topic, body);
      return;
    }
    if ((body as ResultBody).replayed === true) replayed += 1;
    ids.add(String((body as ResultBody).id));
    if (topic.endsWith(`/${deviceName(event.device)}`)) tally.arrive(event.device, event.number);
    else tally.strange();
  }

  function takeDeadLetter(body: unknown): void {
    const { payload, error } = body as { payload?: string; error?: { code?: string } };
    const code = error?.code ?? 'unknown';
    deadLetterCodes[code] = (deadLetterCodes[code] ?? 0) + 1;
    const event = decodeEvent(Buffer.from(payload ?? '', 'base64'));
    if (event === undefined) tally.strange();
    else tally.deadLetter(event.device, event.number);
  }

  function takeDrops(body: unknown): void {
    const { reason = 'unknown', count = 0 } = body as { reason?: string; count?: number };
    tally.drop(reason, count);
  }

  return {
    link,
    get messages() {
      return messages;
    },
    get sessionsLost() {
      return sessionsLost;
    },
    get replayed() {
      return replayed;
    },
    get resultIds() {
      return ids.size;
    },
    deadLetterCodes,
    told,
    ready: (ms) => until(() => subscribed, { ms }),
    close: () => link.close(),
  };
}

function parseBody(payload: Buffer | string): unknown {
  try {
    return JSON.parse(payload.toString());
  } catch {
    return undefined;
  }
}

/** The event that a result gives back; undefined where the message is no result. */
function eventOf(body: ResultBody | undefined): FaultEvent | undefined {
  const numbers = body?.result?.value?.flat();
  if (numbers?.length !== 4) return undefined;
  const [device, number, mark, extra] = numbers as [number, number, number, number];
  return { device, number, mark, extra };
}
