import type { Router } from '../router.ts';
import { encodeDisconnect } from './encode.ts';
import { sayFarewell } from './farewell.ts';
import { createGate, type Gate, type GateLimits } from './gate.ts';
import type { Done, InnerBroker, InnerClient, OutboundPacket } from './inner-client.ts';
import { createOutlet } from './outlet.ts';
import { REASON, Violation } from './violation.ts';
import type { ClientLimits } from './wire.ts';

/** What stands between every client and the broker's library. */
export interface Guard {
  /** Puts itself around a new client of the library, before its first byte is read. */
  attach(client: InnerClient): void;
  /** A PUBLISH of this client was judged: it is acknowledged now, or refused. */
  answered(client: object | null, packet: AnsweredPublish, error?: Error | null): void;
}

interface AnsweredPublish {
  readonly qos: 0 | 1 | 2;
  readonly messageId?: number;
  readonly _notAuthorized?: boolean;
}

export interface GuardOptions {
  readonly router: Pick<Router, 'routing' | 'afterwards'>;
  readonly limits: GateLimits;
  /** Told of messages that a client cannot take. */
  readonly onOversize: (client: object, topic: string) => void;
}

/** Guards one broker of aedes 2.0.0-beta.1, whose inner parts it relies on: the version is pinned. */
export function createGuard(library: object, options: GuardOptions): Guard {
  const broker = library as InnerBroker;
  const { router, limits } = options;
  const { handshakeMsMax } = limits;
  const gates = new WeakMap<object, Gate>();
  // Names that every object has (`constructor`, `__proto__`) are client ids like any other.
  broker.clients = Object.assign(Object.create(null), broker.clients);
  broker.on('keepaliveTimeout', (client) => {
    const inner = client as InnerClient;
    if (inner.version === 5) sayFarewell(inner.conn, encodeDisconnect(REASON.keepAliveTimeout));
  });

  function attach(client: InnerClient): void {
    client.subscriptions = Object.create(null);
    client.duplicates = Object.defineProperty({}, broker.id, { get: () => 0, set: nothing });
    const outlet = createOutlet({
      client,
      router,
      deliverQos: client.deliverQoS,
      forward: (packet) => broker.authorizeForward(client, packet) as OutboundPacket | null,
      onOversize: ({ topic }) => options.onOversize(client, topic),
    });
    const gate = createGate(client, limits);
    gates.set(client, gate);
    client._parser.parse = (chunk) => gate.parse(chunk);
    client.deliver0 = outlet.deliver;
    client.deliverQoS = outlet.deliver;
    client.disconnect = (first, second) => disconnect(client, first, second);
    const timer = setTimeout(() => {
      const text = `its CONNECT was not answered within ${handshakeMsMax} ms`;
      gate.refuse(new Violation(REASON.unspecified, text));
    }, handshakeMsMax);
    client.once('connected', () => {
      clearTimeout(timer);
      outlet.open(limitsOf(gate));
      gate.open();
    });
    client.conn.once('close', () => {
      clearTimeout(timer);
      outlet.close();
    });
  }

  return {
    attach,
    answered(client, { qos, messageId, _notAuthorized }, error) {
      if (client === null || messageId === undefined) return;
      // An exchange with QoS 2 that goes on ends with its PUBREL.
      const ends = qos === 1 || _notAuthorized === true || (error !== undefined && error !== null);
      if (ends) gates.get(client)?.answered(messageId);
    },
  };
}

/** In place of the library's own: what it writes is read before the connection ends. */
function disconnect(
  client: InnerClient,
  first: { readonly reasonCode?: number } | Done | undefined,
  second: (() => void) | undefined,
): void {
  const { reasonCode = 0 } = typeof first === 'object' ? first : {};
  const done = typeof first === 'function' ? first : second;
  if (client.version === 5) {
    client.disconnectReasonCode = reasonCode;
    if (client.connackSent && !client.closed) {
      sayFarewell(client.conn, encodeDisconnect(reasonCode));
    }
  }
  client.close(done === undefined ? undefined : () => done());
}

function limitsOf({ connect }: Gate): ClientLimits {
  const properties = connect?.properties;
  return {
    packetBytesMax: properties?.maximumPacketSize,
    aliasesMax: properties?.topicAliasMaximum ?? 0,
  };
}

function nothing(): void {}
