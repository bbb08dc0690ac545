/**
 * What a client sent, as far as it is looked at before the broker's library sees it. aedes
 * 2.0.0-beta.1 ends the whole process on some packets; each rule here names one of them.
 */
export interface InboundPacket {
  cmd: string;
  readonly clientId?: unknown;
  readonly properties?: unknown;
  readonly will?: { readonly properties?: unknown; readonly topic?: unknown };
  readonly subscriptions?: unknown;
  readonly unsubscriptions?: unknown;
}

/** What is wrong with a packet that the broker must never see; undefined: it may pass. */
export function deadlyProblem(packet: InboundPacket): string | undefined {
  if (packet.cmd === 'connect') {
    // The library keeps clients in a plain object: these names find functions there.
    if (isObjectMember(packet.clientId)) return `client id "${packet.clientId}" is refused`;
    const inWill = propertyProblem(packet.will?.properties);
    if (inWill !== undefined) return `will: ${inWill}`;
  }
  if (packet.cmd === 'subscribe' && Array.isArray(packet.subscriptions)) {
    for (const subscription of packet.subscriptions) {
      const filter: unknown = subscription?.topic;
      if (isObjectMember(filter)) return `filter "${filter}" is refused`;
    }
  }
  if (packet.cmd === 'unsubscribe' && Array.isArray(packet.unsubscriptions)) {
    for (const filter of packet.unsubscriptions) {
      if (isObjectMember(filter)) return `filter "${filter}" is refused`;
    }
  }
  return propertyProblem(packet.properties);
}

/** The parser gives null for a value that is cut off, and a list for a property sent twice. */
function propertyProblem(properties: unknown): string | undefined {
  if (properties === undefined) return undefined;
  if (properties === null || typeof properties !== 'object') return 'the properties do not parse';
  for (const [name, value] of Object.entries(properties)) {
    if (name === 'userProperties') continue;
    if (value === null || value === undefined) return `property ${name} is cut off`;
    // [MQTT-3.1.2-23] and its like for every property but the user's and subscription identifiers.
    if (Array.isArray(value)) return `property ${name} is there more than once`;
  }
  return undefined;
}

function isObjectMember(name: unknown): name is string {
  return typeof name === 'string' && name in Object.prototype;
}
