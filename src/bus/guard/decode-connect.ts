import type { ConnectPacket, Qos, Will } from './client-packet.ts';
import type { PacketReader } from './packet-reader.ts';
import { IN, readProperties } from './properties.ts';
import { malformed, protocolError, REASON, Violation } from './violation.ts';

const BRIDGE_BIT = 0x80;

/** A CONNECT of a protocol level that the broker does not serve; the answer depends on the level. */
export class UnsupportedLevel extends Violation {
  readonly level: number;

  constructor(level: number) {
    super(REASON.unsupportedProtocolVersion, `protocol level ${level} is not served`);
    this.level = level;
  }
}

/** A CONNECT of MQTT 5 that is wrong behind its protocol level: it can be told why. */
export class RefusedConnect extends Violation {}

/** Reads a CONNECT [MQTT 3.1]. Throws a `Violation`. */
export function decodeConnect(reader: PacketReader): ConnectPacket {
  const length = reader.left;
  const protocolId = reader.text('the protocol name');
  if (protocolId !== 'MQTT' && protocolId !== 'MQIsdp') throw malformed('the protocol is not MQTT');
  const level = reader.byte('the protocol level');
  const bridgeMode = level >= BRIDGE_BIT;
  const version = bridgeMode ? level - BRIDGE_BIT : level;
  // [MQTT-3.1.2-2]
  if (!isServed(version) || (version === 3) !== (protocolId === 'MQIsdp')) {
    throw new UnsupportedLevel(level);
  }
  const start = { cmd: 'connect', length, protocolId, bridgeMode, ...UNFLAGGED } as const;
  try {
    return { ...start, protocolVersion: version, ...decodeRest(reader, version) };
  } catch (error) {
    if (version !== 5 || !(error instanceof Violation)) throw error;
    throw new RefusedConnect(error.reasonCode, error.message);
  }
}

const UNFLAGGED = { qos: 0, dup: false, retain: false } as const;

type Rest = Omit<
  ConnectPacket,
  'cmd' | 'length' | 'protocolId' | 'bridgeMode' | 'protocolVersion' | keyof typeof UNFLAGGED
>;

function decodeRest(reader: PacketReader, version: 3 | 4 | 5): Rest {
  const flags = flagsOf(reader.byte('the connect flags'), version);
  const keepalive = reader.uint16('the keep-alive');
  const properties = version === 5 ? readProperties(reader, IN.connect) : undefined;
  // [MQTT-3.1.3-1] The order of what follows is fixed.
  const clientId = reader.text('the client id');
  const will = flags.will === undefined ? undefined : readWill(reader, flags.will, version);
  const username = flags.username ? reader.text('the user name') : undefined;
  const password = flags.password ? reader.binary('the password') : undefined;
  reader.finish('the CONNECT');
  if (properties?.receiveMaximum === 0) throw protocolError('Receive Maximum is 0');
  if (properties?.maximumPacketSize === 0) throw protocolError('Maximum Packet Size is 0');
  return {
    clean: flags.clean,
    keepalive,
    clientId,
    ...(properties === undefined ? {} : { properties }),
    ...(will === undefined ? {} : { will }),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  };
}

interface Flags {
  readonly clean: boolean;
  readonly will: { readonly qos: Qos; readonly retain: boolean } | undefined;
  readonly username: boolean;
  readonly password: boolean;
}

function flagsOf(byte: number, version: 3 | 4 | 5): Flags {
  // [MQTT-3.1.2-3]
  if ((byte & 0x01) !== 0) throw malformed('the reserved connect flag is set');
  const willQos = (byte >> 3) & 0x03;
  const willRetain = (byte & 0x20) !== 0;
  const hasWill = (byte & 0x04) !== 0;
  // [MQTT-3.1.2-11] [MQTT-3.1.2-12] [MQTT-3.1.2-13]
  if (!hasWill && (willQos > 0 || willRetain)) throw malformed('will flags without a will');
  if (willQos === 3) throw malformed('the will has QoS 3');
  const username = (byte & 0x80) !== 0;
  const password = (byte & 0x40) !== 0;
  // [MQTT-3.1.2-22] of 3.1.1; MQTT 5 allows a password alone.
  if (password && !username && version < 5) throw malformed('a password without a user name');
  return {
    clean: (byte & 0x02) !== 0,
    will: hasWill ? { qos: willQos as Qos, retain: willRetain } : undefined,
    username,
    password,
  };
}

function readWill(
  reader: PacketReader,
  flags: { readonly qos: Qos; readonly retain: boolean },
  version: 3 | 4 | 5,
): Will {
  const properties = version === 5 ? readProperties(reader, IN.will) : undefined;
  const topic = reader.text('the will topic');
  // Kept until the connection ends: a copy, so that it holds no more than itself.
  const payload = Buffer.from(reader.binary('the will payload'));
  const will = { topic, payload, ...flags };
  return properties === undefined ? will : { ...will, properties };
}

function isServed(version: number): version is 3 | 4 | 5 {
  return version === 3 || version === 4 || version === 5;
}
