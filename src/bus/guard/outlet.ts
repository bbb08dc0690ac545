import { matches } from '../filter.ts';
import type { Router } from '../router.ts';
import type { Done, GrantedSubscription, InnerClient, OutboundPacket } from './inner-client.ts';
import { type ClientLimits, createWire, type Wire } from './wire.ts';

/** What goes to one client: once per message, in the form that its subscriptions ask for. */
export interface Outlet {
  /** In place of the library's own `deliver0` and `deliverQoS`. */
  readonly deliver: (packet: OutboundPacket, done: Done) => void;
  /** The CONNACK is out: messages go, within what the client said in its CONNECT. */
  open(limits: ClientLimits): void;
  close(): void;
}

export interface OutletParts {
  readonly client: InnerClient;
  readonly router: Pick<Router, 'routing' | 'afterwards'>;
  /** The library's own way for QoS 1 and 2, which leads to the client's session. */
  readonly deliverQos: (packet: OutboundPacket, done: Done) => void;
  /** The message as the client may have it now; null: it gets none, or not from here. */
  readonly forward: (packet: OutboundPacket) => OutboundPacket | null;
  /** Told once of a client that takes no packets of some size. */
  readonly onOversize: (packet: OutboundPacket) => void;
}

/** What all subscriptions of this client together make of a message. */
interface Granted {
  qos: number;
  retain: boolean;
  readonly identifiers: number[];
}

/** Creates the outlet of one connection. */
export function createOutlet(parts: OutletParts): Outlet {
  const { client, router, deliverQos, forward } = parts;
  const { conn } = client;
  let wire: Wire | undefined;
  let routed: OutboundPacket | undefined;
  let granted: Granted | undefined;
  let toldOfSize = false;

  /** Collects the subscriptions that take one message; `flush` follows behind the last. */
  function gather(packet: OutboundPacket, filter: string): void {
    const subscription = client.subscriptions[filter];
    if (subscription === undefined) return;
    // [MQTT-3.8.3-3]
    if (subscription.nl === true && packet.clientId === client.id) return;
    if (granted === undefined) {
      granted = { qos: 0, retain: false, identifiers: [] };
      routed = packet;
      router.afterwards(flush);
    }
    add(granted, subscription, packet);
  }

  function flush(): void {
    const packet = routed;
    const found = granted;
    routed = undefined;
    granted = undefined;
    if (packet === undefined || found === undefined || wire === undefined) return;
    const message = forClient(packet, found);
    if (message.qos > 0) deliverQos(message, nothing);
    else send(message);
  }

  function send(message: OutboundPacket): void {
    if (wire === undefined || conn.destroyed || conn.writableEnded) return;
    const { messageExpiry } = message;
    if (messageExpiry !== undefined && messageExpiry <= Date.now()) return;
    const allowed = forward(message);
    if (allowed === null) return;
    const pieces = wire.encode(allowed);
    if (pieces === undefined) {
      // [MQTT-3.1.2-25] As if it had been sent.
      if (toldOfSize) return;
      toldOfSize = true;
      parts.onOversize(message);
      return;
    }
    for (const piece of pieces) conn.write(piece);
  }

  /** A retained message for a new subscription: the flag stays [MQTT-3.3.1-8]. */
  function deliverRetained(packet: OutboundPacket, done: Done): void {
    const found: Granted = { qos: 0, retain: true, identifiers: [] };
    for (const [filter, subscription] of Object.entries(client.subscriptions)) {
      if (matches(filter, packet.topic)) add(found, subscription, packet);
    }
    const message = { ...forClient(packet, found), retain: true };
    if (message.qos > 0) {
      deliverQos(message, done);
      return;
    }
    send(message);
    if (conn.writableNeedDrain && !conn.destroyed) client.waitForDrain(done);
    else setImmediate(done);
  }

  return {
    deliver(packet, done) {
      const { routing } = router;
      if (wire === undefined) done();
      else if (routing === undefined) deliverRetained(packet, done);
      else {
        gather(routing.packet as OutboundPacket, routing.filter);
        done();
      }
    },
    open(limits) {
      wire = createWire(client.version === 5 ? 5 : 4, limits);
    },
    close() {
      wire = undefined;
    },
  };
}

function add(to: Granted, subscription: GrantedSubscription, packet: OutboundPacket): void {
  // [MQTT-3.3.4-2]
  to.qos = Math.max(to.qos, subscription.qos);
  // [MQTT-3.3.1-12] [MQTT-3.3.1-13]
  if (subscription.rap === true && packet.retain) to.retain = true;
  // [MQTT-3.3.4-4]
  if (subscription.si !== undefined) to.identifiers.push(subscription.si);
}

function forClient(packet: OutboundPacket, granted: Granted): OutboundPacket {
  // [MQTT-3.8.4-8]
  const qos = Math.min(granted.qos, packet.qos) as 0 | 1 | 2;
  const { retain, identifiers } = granted;
  if (qos === packet.qos && retain === packet.retain && identifiers.length === 0) return packet;
  if (identifiers.length === 0) return { ...packet, qos, retain };
  const properties = { ...packet.properties, subscriptionIdentifier: identifiers };
  return { ...packet, qos, retain, properties };
}

function nothing(): void {}
