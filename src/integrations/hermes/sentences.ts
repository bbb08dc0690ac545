import { createIntents, type IntentRules, type SlotValue } from '../intents.ts';
import type { SiteNames } from './site-names.ts';

/** A slot as skills read it. The rules give its value, so it need not stand in the text. */
export interface Slot {
  readonly entity: string;
  readonly slotName: string;
  readonly confidence: number;
  readonly rawValue: string;
  readonly value: { readonly kind: string; readonly value: SlotValue };
  readonly range: {
    readonly start: number;
    readonly end: number;
    readonly rawStart: number;
    readonly rawEnd: number;
  };
}

/** What a sentence means: an intent for skills, something the node does itself, or nothing. */
export type Meaning =
  | { readonly kind: 'intent'; readonly name: string; readonly slots: readonly Slot[] }
  | { readonly kind: 'handled' }
  | { readonly kind: 'unknown' };

export interface Sentence {
  readonly text: string;
  readonly siteId: string;
  /** null: every intent will do. */
  readonly intentFilter: readonly string[] | null;
  /** Where it was found out already. */
  readonly intent?: Recognised | undefined;
}

/** An intent with the values of its slots. */
export interface Recognised {
  readonly name: string;
  readonly slots: Readonly<Record<string, SlotValue>>;
}

/** Understands sentences. */
export interface Sentences {
  understand(sentence: Sentence): Meaning;
}

export interface SentencesOptions {
  readonly rules: IntentRules;
  readonly names: Pick<SiteNames, 'siteOf' | 'roomOf'>;
}

/** Understands by the rules of the voice sessions. */
export function createSentences({ rules, names }: SentencesOptions): Sentences {
  const intents = createIntents(rules);

  function recognise(text: string, siteId: string): Recognised | 'handled' | undefined {
    const site = names.siteOf(siteId);
    const found = intents.find(text, { site, room: names.roomOf(site) });
    return found && (found.intent ?? 'handled');
  }

  return {
    understand({ text, siteId, intentFilter, intent }) {
      const found = intent ?? recognise(text, siteId);
      if (found === undefined) return { kind: 'unknown' };
      if (found === 'handled') return { kind: 'handled' };
      const { name, slots } = found;
      if (intentFilter !== null && !intentFilter.includes(name)) return { kind: 'unknown' };
      const all = Object.entries(slots).map(([slot, value]) => slotOf(text, slot, value));
      return { kind: 'intent', name, slots: all };
    },
  };
}

function slotOf(text: string, name: string, value: SlotValue): Slot {
  const rawValue = String(value);
  const at = rawValue === '' ? -1 : text.toLowerCase().indexOf(rawValue.toLowerCase());
  const start = Math.max(0, at);
  const end = at < 0 ? text.length : at + rawValue.length;
  return {
    ...{ entity: name, slotName: name, confidence: 1, rawValue },
    value: { kind: 'Unknown', value },
    range: { start, end, rawStart: start, rawEnd: end },
  };
}

/** The words of a text, as `asrTokens` lists them: one list for each time it was listened. */
export function tokensOf(text: string, confidence: number): readonly (readonly object[])[] {
  const words = [...text.matchAll(/\S+/g)];
  return [
    words.map(({ 0: value, index }) => ({
      ...{ value, confidence, rangeStart: index, rangeEnd: index + value.length, time: null },
    })),
  ];
}
