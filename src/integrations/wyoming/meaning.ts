import type { Bus } from '../../bus/bus.ts';
import { toLedgeError } from '../../std/error.ts';
import { phraseOf } from './info.ts';
import type { IntentRule, WyomingConfig } from './options.ts';

/** An event of the protocol to be sent, without payload. */
export interface Answer {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** What went wrong, as the protocol tells it. */
export function errorAnswer(thrown: unknown): Answer {
  const { message, code } = toLedgeError(thrown);
  return { type: 'error', data: { text: message, code } };
}

/** Answers what a sentence means, by the configured rules. */
export interface Meaning {
  /** `intent`, `handled`, `not-handled` or `not-recognized`. Never rejects. */
  answer(text: string): Promise<Answer>;
}

/** Reads the rules once; sentences are compared without case, punctuation and spare blanks. */
export function createMeaning({ intents }: Pick<WyomingConfig, 'intents'>, bus: Bus): Meaning {
  const rules = new Map(Object.entries(intents).map(([text, rule]) => [plain(text), rule]));
  return {
    async answer(text) {
      const rule = rules.get(plain(text));
      if (rule === undefined) {
        return { type: 'not-recognized', data: { text: `Not one of the commands: ${text}` } };
      }
      if (rule.publish !== undefined) {
        const failure = await publish(bus, rule.publish);
        if (failure !== undefined) return { type: 'not-handled', data: { text: failure } };
      }
      const { intent, slots, response } = rule;
      if (intent === undefined) return { type: 'handled', data: { text: response ?? '' } };
      const entities = Object.entries(slots).map(([name, value]) => ({ name, value }));
      const spoken = response === undefined ? {} : { text: response };
      return { type: 'intent', data: { name: intent, entities, ...spoken } };
    },
  };
}

/** Why the message could not be handed over; undefined: it was. */
async function publish(
  bus: Bus,
  { topic, payload }: NonNullable<IntentRule['publish']>,
): Promise<string | undefined> {
  try {
    await bus.publish({ topic, payload: Buffer.from(payload), qos: 1, retain: false });
    return undefined;
  } catch (error) {
    return toLedgeError(error).message;
  }
}

/** A sentence as it is compared. */
export function plain(text: string): string {
  return phraseOf(text.toLowerCase().replaceAll(/[^\p{L}\p{N}_-]+/gu, ' '));
}
