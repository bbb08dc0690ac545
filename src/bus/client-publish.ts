import { type AskedPublish, isWill, refusePublish } from './access/broker-hooks.ts';
import type { Door } from './access/door.ts';
import type { DoorClient } from './access/visitor.ts';
import type { Intake } from './intake.ts';
import type { PublishFields } from './packet.ts';
import { topicProblem } from './topics.ts';

/** A message that the broker's library asks about. */
export interface FromClient {
  /** null: the will of a client of an earlier life of the broker. */
  readonly client: (DoorClient & { readonly version?: number | null }) | null;
  readonly packet: PublishFields & AskedPublish;
  readonly done: (error?: Error | null) => void;
}

/** The part of the broker's library that its types leave out. */
interface IncomingStore {
  /** Rejects where no exchange is open under the packet's message id. */
  incomingGetPacket(client: object, packet: object): Promise<unknown>;
}

/** Where a client's message goes: past the door, and to the node first. */
export interface PublishWay {
  readonly broker: object;
  readonly door: Door;
  readonly intake: Intake;
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
  } else {
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
 * Gives a client's message to the node first. The broker acknowledges and routes it when `done` is
 * called, and reads on from that client only then: this is what holds a publisher back.
 */
function giveToNode({ broker, intake }: PublishWay, { client, packet, done }: FromClient): void {
  const wrong = packet.topic.startsWith('$SYS/') ? 'it is reserved' : topicProblem(packet.topic);
  if (wrong !== undefined) {
    done(new Error(`topic ${JSON.stringify(packet.topic.slice(0, 200))} is refused: ${wrong}`));
    return;
  }
  const goOn = () => done(null);
  const from = client ?? packet;
  if (packet.qos < 2 || client === null || packet.messageId === undefined) {
    intake.take(from, packet, goOn);
    return;
  }
  // [MQTT-4.3.3-10] A PUBLISH sent again while its exchange is open is the same message.
  const place = intake.hold(from, goOn);
  const { persistence } = broker as { readonly persistence: IncomingStore };
  persistence.incomingGetPacket(client, packet).then(
    () => place.release(),
    () => place.give(packet),
  );
}
