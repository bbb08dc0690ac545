import { isUtf8 } from 'node:buffer';
import { filterProblem, topicProblem } from '../topics.ts';
import type { ConnectPacket, PublishPacket, SubscribePacket } from './client-packet.ts';
import { RefusedConnect } from './decode-connect.ts';
import { malformed, protocolError, REASON, Violation } from './violation.ts';

/** Bytes of a client id: it is part of keys, log lines and topics of the broker. */
const CLIENT_ID_BYTES_MAX = 512;
const SHARED_PREFIX = '$share/';

/** A CONNECT of MQTT 3.1.1 that is refused with a return code. */
export class RefusedOldConnect extends Violation {
  readonly returnCode: number;

  constructor(returnCode: number, message: string) {
    super(REASON.protocolError, message);
    this.returnCode = returnCode;
  }
}

const RETURN_CODE_ID_REFUSED = 2;

/** Throws a `Violation` for a CONNECT that reads well and is not served. */
export function judgeConnect(packet: ConnectPacket): void {
  const { clientId, protocolVersion: version, will, clean } = packet;
  const tooLong = Buffer.byteLength(clientId) > CLIENT_ID_BYTES_MAX;
  // [MQTT-3.1.3-8] of 3.1.1: an empty id only with a clean session; MQTT 3.1 has no empty id.
  const needsId = version === 3 || (version === 4 && !clean);
  if (tooLong || (needsId && clientId.length === 0)) {
    const text = tooLong
      ? `the client id has more than ${CLIENT_ID_BYTES_MAX} bytes`
      : 'no client id';
    if (version < 5) throw new RefusedOldConnect(RETURN_CODE_ID_REFUSED, text);
    throw new RefusedConnect(REASON.clientIdNotValid, text);
  }
  if (will === undefined) return;
  const refuse = (code: number, text: string) =>
    version === 5
      ? new RefusedConnect(code, `will: ${text}`)
      : new Violation(code, `will: ${text}`);
  const wrong = topicProblem(will.topic);
  if (wrong !== undefined) throw refuse(REASON.topicNameInvalid, `topic: ${wrong}`);
  const { responseTopic, payloadFormatIndicator } = will.properties ?? {};
  // [MQTT-3.3.2-14]
  if (responseTopic !== undefined && topicProblem(responseTopic) !== undefined) {
    throw refuse(REASON.protocolError, 'the Response Topic is no topic');
  }
  if (payloadFormatIndicator === true && !isUtf8(will.payload)) {
    throw refuse(REASON.payloadFormatInvalid, 'the payload is not the UTF-8 it says');
  }
}

/**
 * Throws for a PUBLISH that ends its connection; gives the reason code for one that is only refused.
 * The topic is the one behind an alias.
 */
export function judgePublish(packet: PublishPacket): number {
  const { topic, properties, payload } = packet;
  // [MQTT-3.3.2-2]
  if (topic.includes('+') || topic.includes('#')) {
    throw new Violation(REASON.topicNameInvalid, 'a PUBLISH on a topic with a wildcard');
  }
  if (properties === undefined) return REASON.success;
  const { responseTopic, payloadFormatIndicator } = properties;
  // [MQTT-3.3.2-14]
  if (responseTopic !== undefined && topicProblem(responseTopic) !== undefined) {
    throw protocolError('the Response Topic of a PUBLISH is no topic');
  }
  if (payloadFormatIndicator === true && !isUtf8(payload)) return REASON.payloadFormatInvalid;
  return REASON.success;
}

/** Throws for a SUBSCRIBE that ends its connection: its filters are judged one by one, later. */
export function judgeSubscribe(packet: SubscribePacket, version: 3 | 4 | 5): void {
  if (packet.properties?.subscriptionIdentifier === 0) {
    throw protocolError('a Subscription Identifier of 0');
  }
  for (const { topic, nl } of packet.subscriptions) {
    judgeFilter(topic);
    // [MQTT-3.8.3-4]; on 3.1.1 only bridges have the option.
    if (version === 5 && nl === true && topic.startsWith(SHARED_PREFIX)) {
      throw protocolError('No Local on a shared subscription');
    }
  }
}

/** Throws for a filter whose wildcards are misplaced [MQTT-4.7.1-1] [MQTT-4.7.1-2]. */
export function judgeFilter(filter: string): void {
  if (filter.length === 0) throw malformed('an empty filter');
  const hash = filter.indexOf('#');
  const misplaced = hash !== -1 && (hash < filter.length - 1 || !startsLevel(filter, hash));
  if (misplaced) throw malformed(`filter ${JSON.stringify(filter.slice(0, 200))} is none`);
  for (let at = filter.indexOf('+'); at !== -1; at = filter.indexOf('+', at + 1)) {
    const ends = at === filter.length - 1 || filter[at + 1] === '/';
    if (!ends || !startsLevel(filter, at)) {
      throw malformed(`filter ${JSON.stringify(filter.slice(0, 200))} is none`);
    }
  }
}

/** Why a filter that reads well is not served; `success`: it is. */
export function filterCode(filter: string, version: 3 | 4 | 5): number {
  if (filter.startsWith(SHARED_PREFIX)) {
    return version === 5 ? REASON.sharedSubscriptionsNotSupported : REASON.unspecified;
  }
  if (filterProblem(filter) === undefined) return REASON.success;
  return version === 5 ? REASON.topicFilterInvalid : REASON.unspecified;
}

function startsLevel(filter: string, at: number): boolean {
  return at === 0 || filter[at - 1] === '/';
}
