import { topicProblem } from '../../bus/topics.ts';
import { LedgeError } from '../../std/error.ts';
import type { Outlet } from './outlet.ts';
import { type Meaning, type Recognised, type Sentences, tokensOf } from './sentences.ts';

/** Who asks: a program that must be answered, or a dialogue of this node that deals with the answer. */
type Asker = 'program' | 'dialogue';

/** A question to the `nlu` component. */
export interface Query {
  readonly input: string;
  readonly intentFilter: readonly string[] | null;
  readonly siteId: string;
  readonly sessionId: string | null;
  readonly id: string | null;
  readonly customData: string | null;
  readonly wakewordId: string | null;
  readonly lang: string;
  /** How sure the words are, 0 to 1. */
  readonly confidence: number;
  /** Where the voice sessions know the intent already. */
  readonly intent?: Recognised | undefined;
}

/** The `nlu` component. */
export interface Understanding {
  /** Says what a sentence means; what the node does itself is no intent for anybody else. */
  answer(query: Query, asker: Asker): Meaning['kind'];
}

/** Answers by the configured rules. */
export function createUnderstanding(sentences: Sentences, outlet: Outlet): Understanding {
  return {
    answer(query, asker) {
      const { input, intentFilter, siteId, sessionId, id, customData, confidence } = query;
      const meaning = sentences.understand({ ...query, text: input, intentFilter });
      const problem =
        meaning.kind === 'intent' ? topicProblem(`hermes/intent/${meaning.name}`) : '';
      if (meaning.kind === 'intent' && problem === undefined) {
        const { name, slots } = meaning;
        const intent = { intentName: name, confidenceScore: confidence };
        outlet.say('nlu/intentParsed', { input, intent, siteId, id, slots, sessionId });
        outlet.say(`intent/${name}`, {
          ...{ input, intent, siteId, id, slots, sessionId, customData },
          ...{ asrTokens: tokensOf(input, confidence), asrConfidence: confidence },
          ...{ rawInput: input, wakewordId: query.wakewordId, lang: query.lang },
        });
        return 'intent';
      }
      if (meaning.kind === 'handled' && asker === 'dialogue') return 'handled';
      if (meaning.kind === 'intent') {
        const text = `Cannot tell intent "${meaning.name}": ${problem}`;
        const place = { component: 'nlu', siteId, sessionId, context: input };
        outlet.fail(new LedgeError('value-invalid', text), place);
      }
      outlet.say('nlu/intentNotRecognized', { input, siteId, id, customData, sessionId });
      return 'unknown';
    },
  };
}
