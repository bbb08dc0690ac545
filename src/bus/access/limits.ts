/** What the clients of the own broker may use up. Every limit can be configured. */
export interface BrokerLimits {
  readonly connectionsPerAddressMax: number;
  readonly connectTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
  readonly keepAliveSecondsMax: number;
  readonly subscriptionsMax: number;
  readonly topicLevelsMax: number;
  readonly topicBytesMax: number;
  readonly inflightMax: number;
  readonly publishesPerSecondMax: number;
}

/** A limit's default, its bounds in the configuration, and why it is what it is. */
export interface LimitNote {
  readonly value: number;
  readonly from: number;
  readonly to: number;
  readonly why: string;
}

/** The limits with their reasons; the configuration's schema and its reference page are made of it. */
export const LIMIT_NOTES = {
  connectionsPerAddressMax: {
    value: 512,
    from: 1,
    to: 65_535,
    why:
      'Connections from one address (IPv6: one /64 network): half of the default of all, so that ' +
      'one machine never takes the last place.',
  },
  connectTimeoutMs: {
    value: 10_000,
    from: 50,
    to: 300_000,
    why: 'From connecting to a whole CONNECT: a slow radio link needs a second or two.',
  },
  handshakeTimeoutMs: {
    value: 10_000,
    from: 50,
    to: 300_000,
    why: 'For a TLS handshake, or the head of an HTTP request: a slow device needs seconds.',
  },
  keepAliveSecondsMax: {
    value: 60,
    from: 1,
    to: 65_535,
    why:
      'A client of MQTT 5 that asks for a longer keep alive is told this one: a dead device is ' +
      'noticed within one and a half of these.',
  },
  subscriptionsMax: {
    value: 4_096,
    from: 1,
    to: 1_000_000,
    why: 'Filters of one client: a home automation hub subscribes to a topic or two per entity.',
  },
  topicLevelsMax: {
    value: 64,
    from: 1,
    to: 64,
    why: 'Levels of a topic or filter: routing cost grows with them.',
  },
  topicBytesMax: {
    value: 4_096,
    from: 16,
    to: 65_535,
    why: 'Bytes of a topic or filter: kept once per retained message and queued packet.',
  },
  inflightMax: {
    value: 1_000,
    from: 1,
    to: 65_535,
    why: 'QoS 1 and 2 messages of one client not acknowledged to the end (Receive Maximum).',
  },
  publishesPerSecondMax: {
    value: 50_000,
    from: 1,
    to: 1_000_000,
    why:
      'Messages of one client per second, and at once; over it the client is held back. Above ' +
      'what this broker routes: it hinders no client that works, and bounds a loop.',
  },
} as const satisfies Readonly<Record<keyof BrokerLimits, LimitNote>>;

/** Every limit at its default. */
export const DEFAULT_LIMITS: BrokerLimits = {
  connectionsPerAddressMax: LIMIT_NOTES.connectionsPerAddressMax.value,
  connectTimeoutMs: LIMIT_NOTES.connectTimeoutMs.value,
  handshakeTimeoutMs: LIMIT_NOTES.handshakeTimeoutMs.value,
  keepAliveSecondsMax: LIMIT_NOTES.keepAliveSecondsMax.value,
  subscriptionsMax: LIMIT_NOTES.subscriptionsMax.value,
  topicLevelsMax: LIMIT_NOTES.topicLevelsMax.value,
  topicBytesMax: LIMIT_NOTES.topicBytesMax.value,
  inflightMax: LIMIT_NOTES.inflightMax.value,
  publishesPerSecondMax: LIMIT_NOTES.publishesPerSecondMax.value,
};
