import type { Bus } from '../bus.ts';
import type { Refusal } from './pump.ts';
import type { UplinkState } from './report.ts';

/** A larger payload is not repeated in a dead letter: it would double what overloads a node. */
const DEAD_LETTER_PAYLOAD_BYTES_MAX = 262_144;

/** What the uplink tells on the node's own bus. */
export interface LocalTopics {
  /** Topics that must not go up: they would feed themselves. */
  readonly own: ReadonlySet<string>;
  tellState(state: UplinkState): Promise<void>;
  tellRefusal(refusal: Refusal, ts: number): Promise<void>;
}

/** Creates the topics of one node's uplink. */
export function createLocalTopics(bus: Bus, node: string): LocalTopics {
  const base = `ledge/${node}/bridge`;
  const stateTopic = `${base}/uplink`;
  const deadLetterTopic = `${base}/uplink-dead-letter`;

  async function publish(topic: string, body: object, kind: 'retained' | 'event'): Promise<void> {
    const payload = Buffer.from(JSON.stringify(body));
    const properties = { contentType: 'application/json' };
    try {
      await bus.publish({ topic, payload, qos: 1, retain: kind === 'retained', properties });
    } catch {
      // The bus is closing, or its broker is away with a full queue; the state is told again.
    }
  }

  return {
    own: new Set([stateTopic, deadLetterTopic, `${base}/ledger`]),
    tellState: (state) => publish(stateTopic, state, 'retained'),
    tellRefusal: (refusal, ts) => publish(deadLetterTopic, deadLetterOf(refusal, ts), 'event'),
  };
}

function deadLetterOf({ message, reason, class: name, error }: Refusal, ts: number): object {
  const { topic, payload } = message;
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const small = payload.byteLength <= DEAD_LETTER_PAYLOAD_BYTES_MAX;
  return {
    topic,
    class: name,
    reason,
    ts,
    error: { code: error.code, message: error.message, context: error.context },
    payloadBytes: payload.byteLength,
    ...(small && { payload: bytes.toString('base64'), payloadEncoding: 'base64' }),
  };
}
