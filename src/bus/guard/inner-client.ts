import type { Duplex } from 'node:stream';
import type { ClientPacket, SubscriptionRequest } from './client-packet.ts';
import type { Properties } from './properties.ts';

/** A granted subscription as the broker's library keeps it. */
export interface GrantedSubscription {
  readonly qos: number;
  readonly nl?: boolean | undefined;
  readonly rap?: boolean | undefined;
  /** Subscription identifier. */
  readonly si?: number | undefined;
}

/** A PUBLISH on its way to a client, as the broker's library has it. */
export interface OutboundPacket {
  readonly topic: string;
  readonly payload: Buffer | string;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly properties?: Omit<Properties, 'subscriptionIdentifier'> & {
    readonly subscriptionIdentifier?: number | readonly number[];
  };
  /** The client that published it. */
  readonly clientId?: string;
  /** Milliseconds since 1970. */
  readonly messageExpiry?: number;
}

/** Called once the library's part of an outbound message is done. */
export type Done = (error?: Error | null) => void;

/**
 * The fields of aedes 2.0.0-beta.1's client that the guard needs; most of them its types leave out. The
 * version is pinned.
 */
export interface InnerClient {
  readonly id: string | null;
  readonly version: 3 | 4 | 5 | null;
  readonly conn: Duplex;
  subscriptions: Record<string, GrantedSubscription>;
  /** Counters of messages that were sent: our routing gives each message once. */
  duplicates: Record<string, number>;
  readonly connackSent: boolean;
  _serverKeepAlive?: number;
  readonly _connectSessionExpiryInterval?: number;
  readonly _keepaliveTimer: NodeJS.Timeout | null;
  readonly _parser: {
    parse(chunk: Buffer): void;
    emit(event: 'packet', packet: ClientPacket): boolean;
  };
  deliver0: (packet: OutboundPacket, done: Done) => void;
  deliverQoS: (packet: OutboundPacket, done: Done) => void;
  waitForDrain(done: Done): void;
  /** Packets whose end is waited for before more is read. */
  _parsingBatch: number;
  /** Reads no further from the connection, until `resume`. */
  pause(): void;
  resume(): void;
  disconnect: (options?: { readonly reasonCode?: number } | Done, done?: () => void) => void;
  subscribe(
    packet: {
      readonly subscriptions: readonly SubscriptionRequest[];
      readonly properties?: Properties;
    },
    done: Done,
  ): void;
  emit(event: 'error', error: Error): boolean;
  once(event: 'connected', listener: () => void): unknown;
  readonly closed: boolean;
  disconnectReasonCode: number | null;
  close(done?: () => void): void;
}

/** The broker of the library, as far as the guard needs it. */
export interface InnerBroker {
  readonly id: string;
  clients: Record<string, unknown>;
  authorizeForward(client: object, packet: object): object | null;
  on(event: 'keepaliveTimeout', listener: (client: object) => void): unknown;
}
