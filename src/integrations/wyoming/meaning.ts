import type { Bus } from '../../bus/bus.ts';
import { toLedgeError } from '../../std/error.ts';
import { createIntents, type IntentRules, publishMessage } from '../intents.ts';

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

/** Answers by the rules. A client of Wyoming says words, and not where they were said. */
export function createMeaning(rules: IntentRules, bus: Bus): Meaning {
  const intents = createIntents(rules);
  return {
    async answer(text) {
      const found = intents.find(text, {});
      if (found === undefined) {
        return { type: 'not-recognized', data: { text: `Not one of the commands: ${text}` } };
      }
      const { intent, publish, response } = found;
      if (publish !== undefined) {
        const failure = await publishMessage(bus, publish);
        if (failure !== undefined) return { type: 'not-handled', data: { text: failure } };
      }
      if (intent === undefined) return { type: 'handled', data: { text: response ?? '' } };
      const entities = Object.entries(intent.slots).map(([name, value]) => ({ name, value }));
      const spoken = response === undefined ? {} : { text: response };
      return { type: 'intent', data: { name: intent.name, entities, ...spoken } };
    },
  };
}
