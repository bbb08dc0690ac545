/** MQTT's own fields of one message, in and out. */
export interface Message {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly properties?: MessageProperties;
}

/** The MQTT 5 properties that Ledge reads and writes; absent on 3.1.1. */
export interface MessageProperties {
  readonly contentType?: string;
  readonly responseTopic?: string;
  readonly correlationData?: Uint8Array;
  /** Seconds, as MQTT counts it. */
  readonly messageExpiryInterval?: number;
  readonly payloadFormatIndicator?: boolean;
  readonly userProperties?: Readonly<Record<string, string | string[]>>;
}

/**
 * One message that arrived, and what its sender may be told.
 * `accept` says that the message has a place of its own in the node: the embedded broker then
 * acknowledges it (until then its publisher is held back). `settle` says that it was dealt with to the
 * end: an external broker gets its acknowledgement then. Both must be called once, accept first.
 */
export interface Delivery {
  readonly message: Message;
  /** Which packet it was, where the own broker got it from a client at QoS 1 or 2. */
  readonly sent?: Sent | undefined;
  accept(): void;
  settle(): void;
}

/** One packet of a client. Both names together are the message's until it is acknowledged. */
export interface Sent {
  /** Client id. */
  readonly by: string;
  readonly packetId: number;
  /** Of the packet itself: a subscription may ask for less. */
  readonly qos: 1 | 2;
  /** Whether the client says that it sent the message before. */
  readonly again: boolean;
}

export type DeliveryHandler = (delivery: Delivery) => void;

export interface Subscription {
  /** Takes no further message once resolved. Idempotent. */
  close(): Promise<void>;
}

export type BusState = 'online' | 'offline';

/** How the node meets MQTT: its own broker in the same process, or a client of another one. */
export interface Bus extends AsyncDisposable {
  readonly kind: 'embedded' | 'external';
  /** Where clients connect, for people: mqtt://127.0.0.1:1883. No credentials in it. */
  readonly address: string;
  readonly state: BusState;
  /** Called on every change of `state`. Returns how to stop listening. */
  onState(listener: (state: BusState) => void): () => void;
  /**
   * Resolves when the message is handed over: routed by the own broker, or acknowledged by the other
   * one (QoS 0: written). While offline it waits in a bounded queue; over its limit: LedgeError
   * `overflow`. Fails with `closed` after disposal.
   */
  publish(message: Message): Promise<void>;
  /** Subscribes the node; over the whole life, also across reconnects. Filter as in MQTT. */
  subscribe(
    filter: string,
    options: SubscribeOptions,
    handler: DeliveryHandler,
  ): Promise<Subscription>;
}

export interface SubscribeOptions {
  readonly qos: 0 | 1 | 2;
}
