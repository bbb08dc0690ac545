import type { Bus } from '../bus/bus.ts';
import { toLedgeError } from '../std/error.ts';

/** What a spoken command means: a Home Assistant intent, or a message that the node publishes. */
export interface IntentRule {
  readonly intent?: string | undefined;
  readonly slots: Readonly<Record<string, SlotValue>>;
  readonly publish?: { readonly topic: string; readonly payload: string } | undefined;
  readonly response?: string | undefined;
}

export type SlotValue = string | number | boolean;

/** Rules by the words of the command. */
export type IntentRules = Readonly<Record<string, IntentRule>>;

/** Where a command was said, as far as it is known. */
export interface Place {
  readonly site?: string;
  readonly room?: string;
}

/** A rule with `{site}` and `{room}` filled in. */
export interface Intent {
  readonly intent: { readonly name: string; readonly slots: IntentRule['slots'] } | undefined;
  readonly publish: { readonly topic: string; readonly payload: string } | undefined;
  readonly response: string | undefined;
}

/** What sentences mean. */
export interface Intents {
  /** Undefined where no rule has these words. */
  find(text: string, place: Place): Intent | undefined;
}

/** Reads the rules once; sentences are compared without case, punctuation and spare blanks. */
export function createIntents(rules: IntentRules): Intents {
  const byText = new Map(Object.entries(rules).map(([text, rule]) => [plain(text), rule]));
  return {
    find(text, place) {
      const rule = byText.get(plain(text));
      return rule && placed(rule, place);
    },
  };
}

/** A slot whose place is not known is left out: whoever hears the intent may know it better. */
function placed({ intent, slots, publish, response }: IntentRule, place: Place): Intent {
  const known = Object.entries(slots).flatMap(([name, value]) => {
    const text = typeof value === 'string' ? fill(value, place) : value;
    return text === undefined ? [] : [[name, text] as const];
  });
  return {
    intent: intent === undefined ? undefined : { name: intent, slots: Object.fromEntries(known) },
    publish: publish && {
      topic: fill(publish.topic, place) ?? publish.topic,
      payload: fill(publish.payload, place) ?? publish.payload,
    },
    response,
  };
}

/** Undefined where a place is asked for that is not known. */
function fill(text: string, place: Place): string | undefined {
  let known = true;
  const filled = text.replaceAll(/\{(site|room)\}/g, (_, name: keyof Place) => {
    const value = place[name];
    if (value === undefined) known = false;
    return value ?? '';
  });
  return known ? filled : undefined;
}

/** Publishes a rule's message. Why it could not be handed over; undefined: it was. */
export async function publishMessage(
  bus: Bus,
  { topic, payload }: NonNullable<Intent['publish']>,
): Promise<string | undefined> {
  if (/\{(site|room)\}/.test(topic)) return `Nobody knows where "${topic}" is`;
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

/** Whether a label stands for words, and not for silence or anything else. */
export function isSpoken(label: string): boolean {
  return !label.startsWith('_');
}

/** A label as it is said. */
export function phraseOf(label: string): string {
  return label.replaceAll(/[_-]+/g, ' ').trim();
}
