import type { AckGate } from './ack-gate.ts';
import type { Delivery, DeliveryHandler } from './bus.ts';
import { createFilterIndex } from './filter.ts';
import { grantedQos, messageOf, type PublishFields } from './packet.ts';

/** Messages that no handler accepted yet; over this the client stops reading from the broker. */
const UNACCEPTED_MAX = 1_024;

/** A PUBLISH as it came from the broker. */
export type InboundPublish = PublishFields & { readonly messageId?: number };

/** One handler of a filter. */
export interface Handler {
  readonly qos: 0 | 1 | 2;
  readonly handler: DeliveryHandler;
  /** Retained messages are for every handler of a filter, or only for the newest. */
  wantsRetained: boolean;
}

/** Gives what an external broker sends to the node's handlers, and acknowledges what they settled. */
export interface Inbound {
  add(filter: string, handler: Handler): () => void;
  /** Says which connection the next packets come from. */
  connect(gate: AckGate): void;
  /** The broker resumed no session: what it sent before will not come again under its id. */
  forget(): void;
  take(packet: InboundPublish): void;
  /** The broker ended the exchange of a QoS 2 message: its id may be used again. */
  release(messageId: number): void;
  /** Gives nothing on from now on and acknowledges nothing of it. */
  hold(): void;
}

/** A QoS 2 message whose exchange is open: it is given once, however often it is sent. */
interface Exchange {
  gate: AckGate;
  settled: boolean;
}

/** Creates the receiving side of one client. */
export function createInbound(): Inbound {
  const index = createFilterIndex<Handler>();
  const exchanges = new Map<number, Exchange>();
  let current: AckGate | undefined;
  let unaccepted = 0;
  let held = false;

  function accepted(): void {
    unaccepted -= 1;
    if (unaccepted === UNACCEPTED_MAX - 1) current?.setReading('on');
  }

  function give(packet: InboundPublish, settled: () => void): void {
    const handlers = index
      .match(packet.topic)
      .filter((handler) => !packet.retain || handler.wantsRetained);
    if (handlers.length === 0) {
      settled();
      return;
    }
    unaccepted += 1;
    if (unaccepted === UNACCEPTED_MAX) current?.setReading('off');
    handOut(packet, handlers, { accepted, settled });
  }

  function takeOnce(packet: InboundPublish, gate: AckGate, messageId: number): void {
    const open = exchanges.get(messageId);
    if (open !== undefined) {
      // [MQTT-4.3.3-10] The same message again: whoever has it settles it on this connection.
      open.gate = gate;
      if (open.settled) gate.settle('pubrec', messageId);
      return;
    }
    const exchange: Exchange = { gate, settled: false };
    exchanges.set(messageId, exchange);
    give(packet, () => {
      exchange.settled = true;
      exchange.gate.settle('pubrec', messageId);
    });
  }

  return {
    add: (filter, handler) => index.add(filter, handler),
    connect(gate) {
      current = gate;
      if (unaccepted >= UNACCEPTED_MAX) gate.setReading('off');
    },
    forget() {
      exchanges.clear();
    },
    take(packet) {
      const gate = current;
      const { messageId, qos } = packet;
      if (held) {
        if (messageId !== undefined) gate?.expect(qos === 2 ? 'pubrec' : 'puback', messageId);
        return;
      }
      if (gate === undefined || qos === 0 || messageId === undefined) {
        give(packet, nothing);
      } else if (qos === 1) {
        gate.expect('puback', messageId);
        // A message from an earlier connection comes again; its old settlement must not answer it.
        give(packet, () => gate.settle('puback', messageId));
      } else {
        gate.expect('pubrec', messageId);
        takeOnce(packet, gate, messageId);
      }
    },
    release(messageId) {
      exchanges.delete(messageId);
    },
    hold() {
      held = true;
    },
  };
}

function handOut(
  packet: InboundPublish,
  handlers: readonly Handler[],
  told: { readonly accepted: () => void; readonly settled: () => void },
): void {
  const accepted = countdown(handlers.length, told.accepted);
  const settled = countdown(handlers.length, told.settled);
  for (const { qos, handler } of handlers) {
    const how = { qos: grantedQos(packet.qos, qos), retain: packet.retain };
    handler(createDelivery(messageOf(packet, how), accepted, settled));
  }
}

function createDelivery(
  message: Delivery['message'],
  accepted: () => void,
  settled: () => void,
): Delivery {
  let state: 'new' | 'accepted' | 'settled' = 'new';
  return {
    message,
    accept() {
      if (state !== 'new') return;
      state = 'accepted';
      accepted();
    },
    settle() {
      if (state !== 'accepted') return;
      state = 'settled';
      settled();
    },
  };
}

function countdown(count: number, done: () => void): () => void {
  let left = count;
  return () => {
    left -= 1;
    if (left === 0) done();
  };
}

function nothing(): void {}
