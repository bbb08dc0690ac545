import { randomBytes } from 'node:crypto';
import { type IClientOptions, UniqueMessageIdProvider } from 'mqtt';
import type { LedgeError } from '../std/error.ts';
import { RECONNECT_MS_MIN } from './attempts.ts';
import type { BrokerAddress } from './broker-address.ts';
import type { Message } from './bus.ts';
import { fieldsOf } from './packet.ts';

/** Messages that the broker sends before the first is acknowledged: bounds what the node holds. */
const RECEIVE_MAX = 256;
/** A day: the broker keeps what the node missed when it was off. */
const SESSION_SECONDS = 24 * 60 * 60;
/** A dead connection is noticed within 1.5 times this. */
const KEEPALIVE_SECONDS = 30;
/** A broker that does not answer a CONNECT by then is tried again. */
const CONNECT_SECONDS_MAX = 10;

/** What a broker said when it took the connection. */
export interface Connected {
  readonly session: 'resumed' | 'new';
  readonly protocol: '5' | '3.1.1';
  /** Messages that may be on their way at a time. */
  readonly inFlightMax: number;
  /** The largest packet it takes; undefined: it did not say. */
  readonly packetBytesMax: number | undefined;
  readonly qosMax: 0 | 1 | 2;
  readonly retainAvailable: boolean;
}

/** How the node connects to a broker that is not its own. */
export interface ClientOptions {
  /** mqtt://, mqtts://, ws:// or wss://. */
  readonly url: string;
  readonly username?: string;
  readonly password?: string;
  /** The same at every start, so that the broker keeps the session; left out: no session is kept. */
  readonly clientId?: string;
  /** Seconds that the broker keeps the session of a client that is gone. Default a day. */
  readonly sessionSeconds?: number;
  /** What the broker publishes when this client is gone without a word. */
  readonly will?: Pick<Message, 'topic' | 'payload' | 'qos' | 'retain'>;
  /** Unacknowledged messages the broker may send (MQTT 5). Default 256. */
  readonly receiveMaximum?: number;
  /** Bounds of what waits to be published; over them `publish` fails with `overflow`. */
  readonly queueMessagesMax?: number;
  readonly queueBytesMax?: number;
  /** A certificate authority in PEM, for mqtts:// and wss:// with an own one. */
  readonly ca?: string;
  /** A client certificate and its key in PEM. */
  readonly certificate?: { readonly cert: string; readonly key: string };
  /** Default: 5, and 3.1.1 where the broker refuses it. */
  readonly protocol?: '5' | '3.1.1';
  /** A dead connection is noticed within 1.5 times this. Default 30. */
  readonly keepaliveSeconds?: number;
  /** Longest wait before a broker is tried again. Default 30,000. */
  readonly backoffMsMax?: number;
  /** A broker that does not answer a CONNECT by then is tried again. Default 10. */
  readonly connectSeconds?: number;
  /**
   * A connection on which a message waits so long without any acknowledgement is cut, and the message
   * sent again on the next one. Large payloads get more time. Default: never.
   */
  readonly ackSeconds?: number;
  /** Subscribes as a bridge does: nothing of its own comes back, retained flags stay (MQTT 5). */
  readonly role?: 'client' | 'bridge';
  /** Told of each connection once it can be used, before the state is `online`. */
  readonly onConnected?: (connection: Connected) => void;
  /**
   * `later`: connects when `start` is called. A broker that kept the session sends what the node missed
   * right after the connection: subscribe before. Default `now`.
   */
  readonly start?: 'now' | 'later';
  /**
   * Told when the broker cannot be reached: once for each change, not for each attempt. A broker that
   * refuses the node's credentials is told of each time; those attempts are few.
   */
  readonly onProblem?: (problem: LedgeError) => void;
}

/** The library's own options. */
export function mqttOptions(options: ClientOptions, place: BrokerAddress): IClientOptions {
  const { clientId, will } = options;
  const sessionSeconds = clientId === undefined ? 0 : (options.sessionSeconds ?? SESSION_SECONDS);
  const username = options.username ?? place.username;
  const password = options.password ?? place.password;
  return {
    clientId: clientId ?? `ledge-${randomBytes(6).toString('hex')}`,
    clean: sessionSeconds === 0,
    protocolVersion: options.protocol === '3.1.1' ? 4 : 5,
    protocolId: 'MQTT',
    keepalive: options.keepaliveSeconds ?? KEEPALIVE_SECONDS,
    connectTimeout: (options.connectSeconds ?? CONNECT_SECONDS_MAX) * 1e3,
    reconnectPeriod: RECONNECT_MS_MIN,
    reconnectOnConnackError: true,
    manualConnect: true,
    // Subscriptions and waiting messages are kept on this side, within limits.
    resubscribe: false,
    queueQoSZero: false,
    messageIdProvider: new UniqueMessageIdProvider(),
    properties: {
      sessionExpiryInterval: sessionSeconds,
      receiveMaximum: options.receiveMaximum ?? RECEIVE_MAX,
    },
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(will === undefined ? {} : { will: { ...fieldsOf(will), properties: {} } }),
  };
}
