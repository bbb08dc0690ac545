import type { IntentRule } from './options.ts';
import type { SiteNames } from './site-names.ts';

/** A slot as skills read it. The rules give its value, so it need not stand in the text. */
export interface Slot {
  readonly entity: string;
  readonly slotName: string;
  readonly confidence: number;
  readonly rawValue: string;
  readonly value: { readonly kind: string; readonly value: string | number | boolean };
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
  readonly slots: Readonly<Record<string, string | number | boolean>>;
}

/** Understands sentences. */
export interface Intents {
  understand(sentence: Sentence): Meaning;
}

export interface IntentsOptions {
  readonly rules: Readonly<Record<string, IntentRule>>;
  readonly names: Pick<SiteNames, 'siteOf' | 'roomOf'>;
}

/** Reads the rules once; sentences are compared without case, punctuation and spare blanks. */
export function createIntents({ rules, names }: IntentsOptions): Intents {
  const known = new Map(Object.entries(rules).map(([text, rule]) => [plain(text), rule]));

  function recognise(text: string, siteId: string): Recognised | 'handled' | undefined {
    const rule = known.get(plain(text));
    if (rule === undefined) return undefined;
    if (rule.intent === undefined) return 'handled';
    const site = names.siteOf(siteId);
    const room = names.roomOf(site);
    const fill = (value: string) => value.replaceAll('{site}', site).replaceAll('{room}', room);
    const slots = Object.entries(rule.slots).map(([name, value]) => [
      name,
      typeof value === 'string' ? fill(value) : value,
    ]);
    return { name: rule.intent, slots: Object.fromEntries(slots) };
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

function slotOf(text: string, name: string, value: string | number | boolean): Slot {
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

/** A sentence as it is compared. */
function plain(text: string): string {
  const words = text.toLowerCase().replaceAll(/[^\p{L}\p{N}_-]+/gu, ' ');
  return words.replaceAll(/[\s_-]+/g, ' ').trim();
}
