import type { Delivery, DeliveryHandler, Message, Sent } from './bus.ts';
import { createFilterIndex } from './filter.ts';
import { grantedQos, messageOf, type PublishFields } from './packet.ts';

interface Subscriber {
  readonly qos: 0 | 1 | 2;
  readonly handler: DeliveryHandler;
  open: boolean;
}

/** One message of a client that waits for its place in the node, or for those before it. */
interface Held {
  ready: boolean;
  readonly done: () => void;
  next: Held | undefined;
}

interface Line {
  first: Held | undefined;
  last: Held | undefined;
}

/** A message and who of the node gets it. */
interface Given {
  readonly packet: PublishFields;
  readonly subscribers: readonly Subscriber[];
  readonly sent?: Sent | undefined;
}

interface Queued extends Given {
  readonly done: () => void;
}

/** Gives messages to the node's own subscribers, in process, without a hop over TCP. */
export interface Intake {
  /** Adds a subscriber; returns how to take it out. */
  add(filter: string, qos: 0 | 1 | 2, handler: DeliveryHandler): () => void;
  /** Whether any of the node's subscribers takes this topic. */
  wants(topic: string): boolean;
  /**
   * Gives a client's message to the subscribers. `done` is called when all of them accepted it and
   * everything the client sent before it is done too: a client's acknowledgements keep their order.
   */
  take(client: object, packet: PublishFields, done: () => void): void;
  /** Keeps a place in a client's order for a message that is not given to anyone yet. */
  hold(client: object, done: () => void): { release(): void; give(packet: PublishFields): void };
  /**
   * Gives one of the node's own messages to the subscribers, on a later turn of the event loop: a flow
   * that takes its own results neither recurses nor starves the rest of the process.
   */
  takeOwn(packet: PublishFields, done: () => void): void;
}

/** Creates the intake of one broker. */
export function createIntake(): Intake {
  const index = createFilterIndex<Subscriber>();
  const lines = new WeakMap<object, Line>();
  let own: Queued[] = [];

  function enqueue(client: object, done: () => void): { held: Held; line: Line } {
    let line = lines.get(client);
    if (line === undefined) {
      line = { first: undefined, last: undefined };
      lines.set(client, line);
    }
    const held: Held = { ready: false, done, next: undefined };
    if (line.last === undefined) line.first = held;
    else line.last.next = held;
    line.last = held;
    return { held, line };
  }

  function runOwn(): void {
    const batch = own;
    own = [];
    for (const queued of batch) give(queued, queued.done);
  }

  return {
    add(filter, qos, handler) {
      const subscriber: Subscriber = { qos, handler, open: true };
      const remove = index.add(filter, subscriber);
      return () => {
        subscriber.open = false;
        remove();
      };
    },
    wants: (topic) => index.match(topic).length > 0,
    take(client, packet, done) {
      const subscribers = index.match(packet.topic);
      const { held, line } = enqueue(client, done);
      give({ packet, subscribers, sent: sentOf(client, packet) }, () => release(line, held));
    },
    hold(client, done) {
      const { held, line } = enqueue(client, done);
      return {
        release: () => release(line, held),
        give: (packet) =>
          give({ packet, subscribers: index.match(packet.topic) }, () => release(line, held)),
      };
    },
    takeOwn(packet, done) {
      own.push({ packet, subscribers: index.match(packet.topic), done });
      if (own.length === 1) setImmediate(runOwn);
    },
  };
}

/** Marks one message as done and lets go of every message at the head of its line that is done. */
function release(line: Line, held: Held): void {
  held.ready = true;
  while (line.first?.ready === true) {
    const { done, next } = line.first;
    line.first = next;
    if (next === undefined) line.last = undefined;
    done();
  }
}

function give({ packet, subscribers, sent }: Given, done: () => void): void {
  let waiting = 1;
  const one = () => {
    waiting -= 1;
    if (waiting === 0) done();
  };
  for (const subscriber of subscribers) {
    if (!subscriber.open) continue;
    waiting += 1;
    const qos = grantedQos(packet.qos, subscriber.qos);
    // [MQTT-3.3.1-9] An established subscription sees the retain flag cleared.
    subscriber.handler(new LocalDelivery(messageOf(packet, { qos, retain: false }), one, sent));
  }
  one();
}

/** The packet of a client that waits for an acknowledgement. */
function sentOf(client: object, packet: PublishFields): Sent | undefined {
  if (packet.qos === 0) return undefined;
  const { id } = client as { readonly id?: unknown };
  const { messageId, dup } = packet as { readonly messageId?: number; readonly dup?: boolean };
  if (typeof id !== 'string' || messageId === undefined) return undefined;
  return { by: id, packetId: messageId, qos: packet.qos, again: dup === true };
}

/** A message in the same process: its acceptance counts once, and its settlement tells nobody. */
export class LocalDelivery implements Delivery {
  readonly message: Message;
  readonly sent: Sent | undefined;
  #accepted: (() => void) | undefined;

  constructor(message: Message, accepted: () => void, sent?: Sent) {
    this.message = message;
    this.sent = sent;
    this.#accepted = accepted;
  }

  accept(): void {
    const accepted = this.#accepted;
    this.#accepted = undefined;
    accepted?.();
  }

  settle(): void {}
}
