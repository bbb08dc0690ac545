import { type AskedPublish, isWill, refusePublish } from './access/broker-hooks.ts';
import type { Door } from './access/door.ts';
import type { DoorClient } from './access/visitor.ts';
import type { Intake } from './intake.ts';
import type { PublishFields } from './packet.ts';
import type { SessionClient } from './persistence/session.ts';
import type { Sessions } from './persistence/sessions.ts';
import type { ReadAhead, ReadingClient } from './read-ahead.ts';
import { topicProblem } from './topics.ts';

/** The library's client, as the parts of the broker look at it. */
export type BrokerClient = DoorClient & SessionClient & ReadingClient;

/** A message that the broker's library asks about. */
export interface FromClient {
  /** null: the will of a client of an earlier life of the broker. */
  readonly client: BrokerClient | null;
  readonly packet: PublishFields & AskedPublish;
  readonly done: (error?: Error | null) => void;
}

/** Where a client's message goes: past the door, to the node first, then to those who subscribed. */
export interface PublishWay {
  readonly door: Door;
  readonly intake: Intake;
  readonly sessions: Sessions;
  readonly reading: ReadAhead;
  /** Keeps each client's messages in order while some of them wait for the disk. */
  readonly turns: Pick<Intake, 'hold'>;
  /** Whether the node takes no more: what comes now stays with its publisher, unanswered. */
  readonly held: () => boolean;
}

/** Asks the door about a client's message before the node or anyone else gets it. */
export function receivePublish(way: PublishWay, from: FromClient): void {
  const { door, intake } = way;
  const { client, packet, done } = from;
  if (client === null) {
    giveToNode(way, from);
  } else if (isWill(packet)) {
    if (door.mayWill(client, packet.topic)) giveToNode(way, from);
    else done(new Error('its will is refused'));
  } else if (packet.qos === 0 || !way.held()) {
    door.publish(client, packet, (refusal) => {
      if (refusal === undefined) {
        giveToNode(way, from);
        return;
      }
      // In its turn: acknowledgements keep the order of the messages [MQTT-4.6.0-2].
      const place = intake.hold(client, () => {
        refusePublish(client, packet, refusal);
        done(null);
      });
      place.release();
    });
  }
}

/**
 * Gives a client's message to the node first, then to the sessions. The broker acknowledges and routes
 * it when `done` is called, and reads on from that client only then, or somewhat ahead of it: this is
 * what holds a publisher back.
 */
function giveToNode(way: PublishWay, given: FromClient): void {
  const { intake, sessions, reading } = way;
  const { client, packet } = given;
  const bytes = packet.payload.length;
  const done = client === null ? given.done : reading.waiting(client, bytes, given.done);
  const from = { client, packet, done };
  const wrong = packet.topic.startsWith('$SYS/') ? 'it is reserved' : topicProblem(packet.topic);
  if (wrong !== undefined) {
    done(new Error(`topic ${JSON.stringify(packet.topic.slice(0, 200))} is refused: ${wrong}`));
    return;
  }
  const sender = client ?? packet;
  if (packet.qos === 0) {
    intake.take(sender, packet, () => done(null));
    return;
  }
  // [MQTT-4.3.3-10] A PUBLISH sent again while its exchange is open is the same message.
  const before = client !== null && packet.qos === 2 ? sessions.receive(client, packet) : undefined;
  if (before === undefined) intake.take(sender, packet, () => keepInTurn(way, from));
  else intake.hold(sender, () => waitInTurn(way, from, before)).release();
}

/** Answers a message that is here already once its first copy has its place. */
function waitInTurn({ turns }: PublishWay, from: FromClient, before: Promise<void>): void {
  const place = turns.hold(from.client ?? from.packet, () => from.done(null));
  void before.then(place.release);
}

/** Answers a message once the sessions have it, which takes time only where one of them is on disk. */
function keepInTurn({ turns, sessions }: PublishWay, { client, packet, done }: FromClient): void {
  let failure: Error | undefined;
  const place = turns.hold(client ?? packet, () => {
    if (failure === undefined) {
      done(null);
      return;
    }
    // Not acknowledged, it comes again; an answer with a reason would be the end of it.
    if (client !== null) sessions.unreceive(client, packet);
    client?.conn.destroy();
    done(failure);
  });
  const kept = sessions.keep(packet, client ?? undefined);
  if (kept === undefined) {
    place.release();
    return;
  }
  kept.then(place.release, (error: Error) => {
    failure = error;
    place.release();
  });
}
