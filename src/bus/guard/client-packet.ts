import type { Properties } from './properties.ts';

export type Qos = 0 | 1 | 2;

interface Frame {
  /** Bytes behind the fixed header, as the broker's library wants to know. */
  readonly length: number;
  readonly qos: Qos;
  readonly dup: boolean;
  readonly retain: boolean;
  properties?: Properties;
}

/** The last will in a CONNECT. */
export interface Will {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: Qos;
  readonly retain: boolean;
  properties?: Properties;
}

export interface ConnectPacket extends Frame {
  readonly cmd: 'connect';
  readonly protocolId: string;
  /** 3: MQTT 3.1, 4: MQTT 3.1.1. */
  readonly protocolVersion: 3 | 4 | 5;
  /** Set by a mosquitto bridge: it wants no echo, and retain flags as published. */
  readonly bridgeMode: boolean;
  readonly clean: boolean;
  readonly keepalive: number;
  readonly clientId: string;
  readonly will?: Will;
  readonly username?: string;
  readonly password?: Buffer;
}

export interface PublishPacket extends Frame {
  readonly cmd: 'publish';
  topic: string;
  readonly payload: Buffer;
  readonly messageId?: number;
}

export interface AckPacket extends Frame {
  readonly cmd: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp';
  readonly messageId: number;
  readonly reasonCode: number;
}

/** One filter of a SUBSCRIBE with its options. */
export interface SubscriptionRequest {
  readonly topic: string;
  qos: number;
  readonly nl?: boolean;
  readonly rap?: boolean;
  readonly rh?: number;
}

export interface SubscribePacket extends Frame {
  readonly cmd: 'subscribe';
  readonly messageId: number;
  readonly subscriptions: readonly SubscriptionRequest[];
}

export interface UnsubscribePacket extends Frame {
  readonly cmd: 'unsubscribe';
  readonly messageId: number;
  readonly unsubscriptions: readonly string[];
}

export interface PlainPacket extends Frame {
  readonly cmd: 'pingreq';
}

export interface DisconnectPacket extends Frame {
  readonly cmd: 'disconnect';
  readonly reasonCode: number;
}

/** Every packet that a client may send; AUTH is not among them. */
export type ClientPacket =
  | ConnectPacket
  | PublishPacket
  | AckPacket
  | SubscribePacket
  | UnsubscribePacket
  | PlainPacket
  | DisconnectPacket;
