import type {
  ClientPacket,
  ConnectPacket,
  PublishPacket,
  SubscribePacket,
} from './client-packet.ts';
import { decode, type FramePlace } from './decode.ts';
import { RefusedConnect, UnsupportedLevel } from './decode-connect.ts';
import { encodeAck, encodeDisconnect, encodeRefusal } from './encode.ts';
import { sayFarewell } from './farewell.ts';
import { createFrames } from './frames.ts';
import { createInboundAliases } from './inbound-aliases.ts';
import type { InnerClient } from './inner-client.ts';
import {
  judgeConnect,
  judgeFilter,
  judgePublish,
  judgeSubscribe,
  RefusedOldConnect,
} from './judge.ts';
import { subscribeEach } from './subscribe-each.ts';
import { protocolError, REASON, Violation } from './violation.ts';

/** The largest packet but PUBLISH: a CONNECT with a will, a user name and a password of 64 KiB each. */
const CONTROL_BYTES_MAX = 256 * 1024;
/** Packets that a client sends behind its CONNECT, before the answer to it. */
const EARLY_BYTES_MAX = 256 * 1024;
const PUBLISH_TYPE = 3;
const CONNECT_TYPE = 1;

/** Limits of the gate. */
export interface GateLimits {
  readonly packetBytesMax: number;
  /** What the broker announces as its Receive Maximum. */
  readonly receiveMaximum: number;
  /** A longer keep-alive of a client of MQTT 5 is replaced by this one, in seconds. */
  readonly keepAliveSecondsMax: number;
  /** From the connection to the answer to its CONNECT. */
  readonly handshakeMsMax: number;
  /** Filters of one client. */
  readonly subscriptionsMax: number;
}

/** Where everything that one client sends is judged before the broker's library sees it. */
export interface Gate {
  /** Takes what was read from the connection. Never throws for what a client sent. */
  parse(chunk: Buffer): void;
  /** The handshake is over: what the client sent behind its CONNECT is taken now. */
  open(): void;
  /** A PUBLISH with QoS 1 was answered. */
  answered(messageId: number): void;
  /** Ends the connection with the reason. */
  refuse(violation: Violation): void;
  /** The client's own limits, from its CONNECT. */
  readonly connect: ConnectPacket | undefined;
}

/** Creates the gate of one connection. */
export function createGate(client: InnerClient, limits: GateLimits): Gate {
  const { conn } = client;
  let phase: 'new' | 'connecting' | 'open' | 'subscribing' | 'closed' = 'new';
  let connect: ConnectPacket | undefined;
  /** Packets whose turn has not come. */
  const early: ClientPacket[] = [];
  let earlyBytes = 0;
  const resolveAlias = createInboundAliases();
  /** Identifiers of messages of the client that are not answered to the end. */
  const unanswered = new Set<number>();
  const frames = createFrames((firstByte, packetBytes) => {
    const type = firstByte >> 4;
    // [MQTT-3.1.0-1] Nothing else is waited for.
    if (phase === 'new' && type !== CONNECT_TYPE) throw protocolError('it does not speak MQTT');
    const bytesMax = type === PUBLISH_TYPE ? limits.packetBytesMax : CONTROL_BYTES_MAX;
    if (packetBytes <= bytesMax) return;
    const text = `a packet of ${packetBytes} bytes, at most ${bytesMax} are allowed`;
    throw new Violation(REASON.packetTooLarge, text);
  });

  function take(frame: FramePlace): 'go on' | 'stop' {
    const version = connect?.protocolVersion;
    const packet = decode(frame, { version, bridgeMode: connect?.bridgeMode === true });
    if (packet.cmd === 'connect') begin(packet);
    else if (phase === 'connecting') wait(packet, frame.end - frame.start);
    else if (phase === 'subscribing') early.push(packet);
    else handle(packet);
    return phase === 'closed' ? 'stop' : 'go on';
  }

  function begin(packet: ConnectPacket): void {
    judgeConnect(packet);
    connect = packet;
    phase = 'connecting';
    if (packet.protocolVersion === 5 && packet.keepalive > limits.keepAliveSecondsMax) {
      // [MQTT-3.2.2-21]
      client._serverKeepAlive = limits.keepAliveSecondsMax;
    }
    client._parser.emit('packet', packet);
  }

  function wait(packet: ClientPacket, bytes: number): void {
    early.push(packet);
    earlyBytes += bytes;
    if (earlyBytes > EARLY_BYTES_MAX) {
      throw new Violation(REASON.quotaExceeded, 'it sends on without waiting for the CONNACK');
    }
  }

  function handle(packet: ClientPacket): void {
    switch (packet.cmd) {
      case 'publish':
        publish(packet);
        return;
      case 'pubrel':
        unanswered.delete(packet.messageId);
        client._parser.emit('packet', packet);
        return;
      case 'subscribe':
        subscribe(packet);
        return;
      case 'unsubscribe':
        for (const filter of packet.unsubscriptions) judgeFilter(filter);
        client._parser.emit('packet', packet);
        return;
      case 'disconnect':
        disconnect(packet);
        return;
      default:
        client._parser.emit('packet', packet);
    }
  }

  /** What a client sends behind a SUBSCRIBE comes after it: its own messages may match. */
  function subscribe(packet: SubscribePacket): void {
    judgeSubscribe(packet, connect?.protocolVersion ?? 4);
    phase = 'subscribing';
    client.pause();
    const done = () => {
      if (phase !== 'subscribing') return;
      takeEarly();
      if (!isOpen()) return;
      // What ended while it was paused was not counted.
      client._parsingBatch = 0;
      client.resume();
    };
    subscribeEach(client, { packet, subscriptionsMax: limits.subscriptionsMax, done });
    // [MQTT-3.1.2-22] The library sees nothing of it.
    client._keepaliveTimer?.refresh();
  }

  function isOpen(): boolean {
    return phase === 'open';
  }

  function takeEarly(): void {
    phase = 'open';
    guarded(() => {
      while (isOpen()) {
        const packet = early.shift();
        if (packet === undefined) return;
        handle(packet);
      }
    });
  }

  function publish(packet: PublishPacket): void {
    const v5 = connect?.protocolVersion === 5;
    if (v5) resolveAlias(packet);
    const code = judgePublish(packet);
    const { messageId } = packet;
    if (messageId !== undefined && !unanswered.has(messageId)) count(packet.qos, messageId);
    if (code === REASON.success) {
      client._parser.emit('packet', packet);
      return;
    }
    if (messageId === undefined)
      throw new Violation(code, 'a payload that is not the UTF-8 it says');
    unanswered.delete(messageId);
    conn.write(encodeAck(packet.qos === 1 ? 'puback' : 'pubrec', messageId, code));
    client._keepaliveTimer?.refresh();
  }

  function count(qos: number, messageId: number): void {
    const v5 = connect?.protocolVersion === 5;
    // 3.1.1 knows no such limit: only exchanges that stay open count, for they are remembered.
    if (!v5 && qos < 2) return;
    if (unanswered.size >= limits.receiveMaximum) {
      const text = `more than ${limits.receiveMaximum} messages that are not answered`;
      throw new Violation(REASON.receiveMaximumExceeded, text);
    }
    unanswered.add(messageId);
  }

  function disconnect(packet: ClientPacket & { cmd: 'disconnect' }): void {
    const expiry = packet.properties?.sessionExpiryInterval ?? 0;
    // [MQTT-3.14.2-2]
    if (expiry > 0 && client._connectSessionExpiryInterval === 0) {
      throw protocolError('a DISCONNECT that makes a session last which was to end');
    }
    phase = 'closed';
    // [MQTT-3.14.4-3] Only a normal disconnection takes the will back; the library knows one other code.
    const reasonCode = packet.reasonCode === REASON.success ? REASON.success : WITH_WILL;
    client._parser.emit('packet', { ...packet, reasonCode });
  }

  function refuse(violation: Violation): void {
    if (phase === 'closed') return;
    const answer = farewellOf(violation, phase, connect?.protocolVersion);
    phase = 'closed';
    if (answer !== undefined) sayFarewell(conn, answer);
    client.emit('error', violation);
  }

  function guarded(act: () => void): void {
    try {
      act();
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      refuse(error);
    }
  }

  return {
    get connect() {
      return connect;
    },
    parse(chunk) {
      if (phase !== 'closed') guarded(() => frames.push(chunk, take));
    },
    open() {
      if (phase === 'connecting') takeEarly();
    },
    answered: (messageId) => unanswered.delete(messageId),
    refuse,
  };
}

const WITH_WILL = 0x04;

/** The last packet for a client that is refused; undefined: none may be sent. */
function farewellOf(
  violation: Violation,
  phase: 'new' | 'connecting' | 'open' | 'subscribing',
  version: 3 | 4 | 5 | undefined,
): Buffer | undefined {
  if (violation instanceof UnsupportedLevel) {
    return violation.level > 5
      ? encodeRefusal(5, REASON.unsupportedProtocolVersion)
      : encodeRefusal(4, 1);
  }
  if (violation instanceof RefusedOldConnect) return encodeRefusal(4, violation.returnCode);
  if (violation instanceof RefusedConnect) return encodeRefusal(5, violation.reasonCode);
  // [MQTT-3.2.0-1] Nothing before the CONNACK; MQTT 3.1.1 has no DISCONNECT of a server.
  if (phase === 'new' || phase === 'connecting' || version !== 5) return undefined;
  return encodeDisconnect(violation.reasonCode);
}
