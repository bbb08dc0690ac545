import type { PacketReader } from './packet-reader.ts';
import { malformed, protocolError, REASON, Violation } from './violation.ts';

/** Bytes of one packet's properties: they are kept with every message that waits. */
export const PROPERTIES_BYTES_MAX = 64 * 1024;

/** Where properties stand; each property belongs to some of them [MQTT table 2-4]. */
export const IN = {
  connect: 1,
  will: 2,
  publish: 4,
  ack: 8,
  subscribe: 16,
  unsubscribe: 32,
  disconnect: 64,
  auth: 128,
} as const;

type Kind = 'flag' | 'uint16' | 'uint32' | 'variable' | 'text' | 'binary';

interface Property {
  readonly name: string;
  readonly kind: Kind;
  readonly where: number;
}

/** Name to value, or to the values in their order for a name that came more than once. */
export type UserProperties = Record<string, string | string[]>;

/** The properties of one packet under the names that the broker's library has for them. */
export interface Properties {
  payloadFormatIndicator?: boolean;
  messageExpiryInterval?: number;
  contentType?: string;
  responseTopic?: string;
  correlationData?: Buffer;
  subscriptionIdentifier?: number;
  sessionExpiryInterval?: number;
  authenticationMethod?: string;
  authenticationData?: Buffer;
  requestProblemInformation?: boolean;
  willDelayInterval?: number;
  requestResponseInformation?: boolean;
  reasonString?: string;
  receiveMaximum?: number;
  topicAliasMaximum?: number;
  topicAlias?: number;
  userProperties?: UserProperties;
  maximumPacketSize?: number;
}

const USER_PROPERTY = 0x26;

const PROPERTIES: ReadonlyMap<number, Property> = new Map([
  [0x01, { name: 'payloadFormatIndicator', kind: 'flag', where: IN.publish | IN.will }],
  [0x02, { name: 'messageExpiryInterval', kind: 'uint32', where: IN.publish | IN.will }],
  [0x03, { name: 'contentType', kind: 'text', where: IN.publish | IN.will }],
  [0x08, { name: 'responseTopic', kind: 'text', where: IN.publish | IN.will }],
  [0x09, { name: 'correlationData', kind: 'binary', where: IN.publish | IN.will }],
  // [MQTT-3.3.4-6] A client's PUBLISH has none.
  [0x0b, { name: 'subscriptionIdentifier', kind: 'variable', where: IN.subscribe }],
  [0x11, { name: 'sessionExpiryInterval', kind: 'uint32', where: IN.connect | IN.disconnect }],
  [0x15, { name: 'authenticationMethod', kind: 'text', where: IN.connect | IN.auth }],
  [0x16, { name: 'authenticationData', kind: 'binary', where: IN.connect | IN.auth }],
  [0x17, { name: 'requestProblemInformation', kind: 'flag', where: IN.connect }],
  [0x18, { name: 'willDelayInterval', kind: 'uint32', where: IN.will }],
  [0x19, { name: 'requestResponseInformation', kind: 'flag', where: IN.connect }],
  [0x1f, { name: 'reasonString', kind: 'text', where: IN.ack | IN.disconnect | IN.auth }],
  [0x21, { name: 'receiveMaximum', kind: 'uint16', where: IN.connect }],
  [0x22, { name: 'topicAliasMaximum', kind: 'uint16', where: IN.connect }],
  [0x23, { name: 'topicAlias', kind: 'uint16', where: IN.publish }],
  [0x27, { name: 'maximumPacketSize', kind: 'uint32', where: IN.connect }],
  // Properties that only a server sends: known, and never right here.
  [0x12, { name: 'assignedClientIdentifier', kind: 'text', where: 0 }],
  [0x13, { name: 'serverKeepAlive', kind: 'uint16', where: 0 }],
  [0x1a, { name: 'responseInformation', kind: 'text', where: 0 }],
  [0x1c, { name: 'serverReference', kind: 'text', where: 0 }],
  [0x24, { name: 'maximumQoS', kind: 'flag', where: 0 }],
  [0x25, { name: 'retainAvailable', kind: 'flag', where: 0 }],
  [0x28, { name: 'wildcardSubscriptionAvailable', kind: 'flag', where: 0 }],
  [0x29, { name: 'subscriptionIdentifiersAvailable', kind: 'flag', where: 0 }],
  [0x2a, { name: 'sharedSubscriptionAvailable', kind: 'flag', where: 0 }],
] satisfies [number, Property][]);

/** The pairs of user properties whose order an object does not keep. */
const pairsOf = new WeakMap<UserProperties, readonly (readonly [string, string])[]>();

/** Reads the properties of one packet; undefined: there are none. */
export function readProperties(reader: PacketReader, where: number): Properties | undefined {
  const length = reader.variable('the length of the properties');
  if (length === 0) return undefined;
  if (length > PROPERTIES_BYTES_MAX) {
    const text = `the properties have ${length} bytes, at most ${PROPERTIES_BYTES_MAX} work`;
    throw new Violation(REASON.packetTooLarge, text);
  }
  const part = reader.part(length, 'the list of properties');
  const found: Record<string, unknown> = {};
  const pairs: [string, string][] = [];
  while (part.left > 0) {
    const id = part.variable('the name of a property');
    if (id === USER_PROPERTY) {
      pairs.push([part.text('a user property'), part.text('a user property')]);
      continue;
    }
    const property = PROPERTIES.get(id);
    if (property === undefined) throw malformed(`property ${id} is unknown`);
    const { name, kind } = property;
    if ((property.where & where) === 0) throw protocolError(`property ${name} is not allowed here`);
    // [MQTT-3.1.2-23] and its like for every property but the user's.
    if (Object.hasOwn(found, name)) throw protocolError(`property ${name} is there more than once`);
    found[name] = readValue(part, kind, name);
  }
  return pairs.length === 0 ? found : { ...found, userProperties: userPropertiesOf(pairs) };
}

/** User properties as pairs, in the order of their packet [MQTT-3.3.2-18]. */
export function userPropertyPairs(
  properties: UserProperties,
): readonly (readonly [string, string])[] {
  const known = pairsOf.get(properties);
  if (known !== undefined) return known;
  const pairs: [string, string][] = [];
  for (const [name, value] of Object.entries(properties)) {
    if (Array.isArray(value)) for (const one of value) pairs.push([name, one]);
    else pairs.push([name, value]);
  }
  return pairs;
}

/** A plain object with the same user properties, which keeps their order too. */
export function copyUserProperties(properties: UserProperties): UserProperties {
  const copy = { ...properties };
  const pairs = pairsOf.get(properties);
  if (pairs !== undefined) pairsOf.set(copy, pairs);
  return copy;
}

function userPropertiesOf(pairs: readonly (readonly [string, string])[]): UserProperties {
  const found: UserProperties = Object.create(null);
  for (const [name, value] of pairs) {
    const before = found[name];
    if (before === undefined) found[name] = value;
    else if (Array.isArray(before)) before.push(value);
    else found[name] = [before, value];
  }
  if (pairs.length > 1) pairsOf.set(found, pairs);
  return found;
}

function readValue(part: PacketReader, kind: Kind, name: string): unknown {
  const what = `property ${name}`;
  switch (kind) {
    case 'flag': {
      const value = part.byte(what);
      if (value > 1) throw protocolError(`${what} is ${value}, only 0 and 1 are allowed`);
      return value === 1;
    }
    case 'uint16':
      return part.uint16(what);
    case 'uint32':
      return part.uint32(what);
    case 'variable':
      return part.variable(what);
    case 'text':
      return part.text(what);
    case 'binary':
      return part.binary(what);
  }
}
