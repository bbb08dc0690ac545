import type { Duplex } from 'node:stream';
import type { Clock } from '../../std/clock.ts';
import type { LedgeError } from '../../std/error.ts';
import { filterProblem } from '../topics.ts';
import type { Access } from './access.ts';
import { addressKey } from './address.ts';
import { withoutShare } from './filter-overlap.ts';
import type { BrokerLimits } from './limits.ts';
import { type Credentials, logIn, recheck } from './login.ts';
import { createPace } from './pace.ts';
import { type Peer, peerName } from './peer.ts';
import { createSparseTeller, type SparseTeller } from './sparse-teller.ts';
import {
  clientName,
  type DoorClient,
  type Hall,
  rulesOfVisitor,
  shortened,
  type Visitor,
} from './visitor.ts';

/** The broker's library tells of clients and their ids there: half of taking a session over. */
const LIBRARY_TOPICS = '$SYS/';

/** Reason codes of PUBACK and PUBREC in MQTT 5 [3.4.2.1]. */
const NOT_AUTHORIZED = 0x87;
const TOPIC_INVALID = 0x90;
const QUOTA_EXCEEDED = 0x97;

export type PublishRefusal = typeof NOT_AUTHORIZED | typeof TOPIC_INVALID | typeof QUOTA_EXCEEDED;

/** What is judged of a message. */
export interface Judged {
  readonly topic: string;
  readonly payload: { readonly length: number };
}

/** What the broker asks before it lets a client do anything. */
export interface Door {
  /** Counts a connection of an address; false where it has too many. */
  enter(stream: Duplex, peer: Peer): boolean;
  /** Tells of a TLS connection that did not come about. */
  failed(peer: Peer, problem: string): void;
  /** Says whose connection the library's client is. */
  bind(client: DoorClient, peer: Peer): void;
  /** Calls with an error that carries the CONNACK code, or null and true. */
  logIn(
    client: DoorClient,
    given: Credentials,
    done: (error: (Error & { returnCode: 3 | 4 | 5 }) | null, success: boolean) => void,
  ): void;
  /** Whether a subscription is granted; one that is not is remembered as refused. */
  maySubscribe(client: DoorClient, subscription: { readonly topic: string }): boolean;
  /** Whether a subscription was refused: nothing of it may be kept. */
  wasRefused(subscription: object): boolean;
  unsubscribed(client: DoorClient, filters: readonly string[]): void;
  mayReceive(client: DoorClient, topic: string): boolean;
  /** Calls when it is this message's turn: with nothing, or the reason code of a refusal. */
  publish(
    client: DoorClient,
    packet: Judged,
    go: (refusal: PublishRefusal | undefined) => void,
  ): void;
  mayWill(client: DoorClient, topic: string): boolean;
  close(): void;
}

export interface DoorOptions {
  readonly access: Access | undefined;
  readonly limits: BrokerLimits;
  readonly payloadBytesMax: number;
  readonly clock: Clock;
  readonly tell: (problem: LedgeError) => void;
}

/** Creates the door of one broker. */
export function createDoor(options: DoorOptions): Door {
  const { access, limits, payloadBytesMax, clock, tell } = options;
  const say = createSparseTeller(clock, tell);
  const hall: Hall = { access, limits, payloadBytesMax, say, inside: new Map() };
  const visitors = new WeakMap<DoorClient, Visitor>();
  const refused = new WeakSet<object>();
  const stop = access?.onChange(() => recheck(hall));
  return {
    enter: createCounter(limits.connectionsPerAddressMax, say),
    failed(peer, problem) {
      say(
        `tls ${addressKey(peer.address)}`,
        `No TLS connection with ${peerName(peer)}: ${problem}`,
      );
    },
    bind(client, peer) {
      const pace = createPace(limits.publishesPerSecondMax, clock);
      const rules = access === undefined ? 'all' : undefined;
      visitors.set(client, { client, peer, pace, filters: new Set(), login: undefined, rules });
    },
    logIn(client, given, done) {
      const visitor = visitors.get(client);
      if (visitor === undefined) return;
      void logIn(hall, visitor, given).then((refusal) => {
        if (refusal === undefined) done(null, true);
        else done(Object.assign(new Error(refusal.problem), { returnCode: refusal.code }), false);
      });
    },
    maySubscribe(client, subscription) {
      const visitor = visitors.get(client);
      if (visitor !== undefined && subscribes(hall, visitor, subscription.topic)) return true;
      refused.add(subscription);
      return false;
    },
    wasRefused: (subscription) => refused.has(subscription),
    unsubscribed(client, filters) {
      const visitor = visitors.get(client);
      for (const filter of filters) visitor?.filters.delete(filter);
    },
    mayReceive(client, topic) {
      const visitor = visitors.get(client);
      if (visitor === undefined || topic.startsWith(LIBRARY_TOPICS)) return false;
      const rules = visitor.rules ?? rulesOfVisitor(hall, visitor);
      return rules === 'all' || rules.mayRead(topic);
    },
    publish(client, packet, go) {
      const visitor = visitors.get(client);
      if (visitor === undefined) go(NOT_AUTHORIZED);
      else publish(hall, visitor, { packet, go });
    },
    mayWill(client, topic) {
      const visitor = visitors.get(client);
      const rules = visitor === undefined ? 'all' : rulesOfVisitor(hall, visitor);
      return rules === 'all' || rules.mayWrite(topic);
    },
    close: () => stop?.(),
  };
}

function createCounter(
  openMax: number,
  say: SparseTeller,
): (stream: Duplex, peer: Peer) => boolean {
  const perAddress = new Map<string, number>();
  return (stream, peer) => {
    const key = addressKey(peer.address);
    const open = perAddress.get(key) ?? 0;
    if (open >= openMax) {
      say(
        `full ${key}`,
        `Refused a connection: ${open} connections from ${peerName(peer)} are open`,
      );
      return false;
    }
    perAddress.set(key, open + 1);
    stream.once('close', () => {
      const left = (perAddress.get(key) ?? 1) - 1;
      if (left > 0) perAddress.set(key, left);
      else perAddress.delete(key);
    });
    return true;
  };
}

function subscribes(hall: Hall, visitor: Visitor, filter: string): boolean {
  const problem = subscribeProblem(hall, visitor, filter);
  if (problem === undefined) {
    visitor.filters.add(filter);
    return true;
  }
  const { client } = visitor;
  const what = `${clientName(client)} a subscription to "${shortened(filter)}"`;
  hall.say(`subscribe ${client.id}`, `Refused ${what}: ${problem}`);
  return false;
}

function subscribeProblem(hall: Hall, visitor: Visitor, filter: string): string | undefined {
  const { limits } = hall;
  const problem = filterProblem(filter) ?? sizeProblem(hall, withoutShare(filter));
  if (problem !== undefined) return problem;
  if (!visitor.filters.has(filter) && visitor.filters.size >= limits.subscriptionsMax) {
    return `it has ${limits.subscriptionsMax} subscriptions`;
  }
  const rules = rulesOfVisitor(hall, visitor);
  return rules === 'all' || rules.maySubscribe(filter) ? undefined : 'it may read none of it';
}

function publish(
  hall: Hall,
  visitor: Visitor,
  asked: {
    readonly packet: Judged;
    readonly go: (refusal: PublishRefusal | undefined) => void;
  },
): void {
  const { client } = visitor;
  let held = false;
  const judge = () => {
    // Held back, its PINGREQ is not read either: that is no reason to call it dead.
    if (held) client._keepaliveTimer?.refresh();
    asked.go(judgePublish(hall, visitor, asked.packet));
  };
  held = !visitor.pace.run(judge);
  if (!held) return;
  const rate = `more than ${hall.limits.publishesPerSecondMax} messages a second`;
  hall.say(`pace ${client.id}`, `Held ${clientName(client)} back: it sends ${rate}`);
}

function judgePublish(
  hall: Hall,
  visitor: Visitor,
  { topic, payload }: Judged,
): PublishRefusal | undefined {
  const rules = visitor.rules ?? rulesOfVisitor(hall, visitor);
  const size = sizeProblem(hall, topic);
  const { payloadBytesMax } = hall;
  if (size !== undefined) return refusal(hall, visitor, [TOPIC_INVALID, topic, size]);
  if (payload.length > payloadBytesMax) {
    const problem = `its payload has more than ${payloadBytesMax} bytes`;
    return refusal(hall, visitor, [QUOTA_EXCEEDED, topic, problem]);
  }
  if (rules === 'all' || rules.mayWrite(topic)) return undefined;
  return refusal(hall, visitor, [NOT_AUTHORIZED, topic, 'it may not write there']);
}

function refusal(
  hall: Hall,
  { client }: Visitor,
  [code, topic, problem]: readonly [PublishRefusal, string, string],
): PublishRefusal {
  const what = `a message of ${clientName(client)} on "${shortened(topic)}"`;
  hall.say(`publish ${client.id}`, `Refused ${what}: ${problem}`);
  return code;
}

/** What is wrong with the size of a topic or filter; undefined: nothing. */
function sizeProblem({ limits }: Hall, topic: string): string | undefined {
  const { topicBytesMax, topicLevelsMax } = limits;
  if (topic.length * 3 > topicBytesMax && Buffer.byteLength(topic) > topicBytesMax) {
    return `it has more than ${topicBytesMax} bytes`;
  }
  let levels = 1;
  for (let at = topic.indexOf('/'); at !== -1; at = topic.indexOf('/', at + 1)) levels += 1;
  return levels > topicLevelsMax ? `it has more than ${topicLevelsMax} levels` : undefined;
}
