import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';

/** A message of the protocol is a few sentences. */
const JSON_BYTES_MAX = 65_536;
const TEXT_LENGTH_MAX = 4096;
/** `customData` is a skill's own; some keep the state of a game in it. */
const CUSTOM_DATA_LENGTH_MAX = 32_768;
const FILTER_MAX = 256;

const name = z.string().max(256);
const text = z.string().max(TEXT_LENGTH_MAX);
/** Programs leave a field out, send null, or an empty string. */
const optionalName = name.nullish().transform((value) => value || null);
const optionalText = text.nullish().transform((value) => value || null);
const siteId = name.nullish().transform((value) => value || 'default');
const customData = z
  .string()
  .max(CUSTOM_DATA_LENGTH_MAX)
  .nullish()
  .transform((value) => value ?? null);
const intentFilter = z
  .array(name)
  .max(FILTER_MAX)
  .nullish()
  .transform((value) => value ?? null);
const flag = z
  .boolean()
  .nullish()
  .transform((value) => value ?? false);

const toggle = z.object({ siteId, reason: optionalName });
const listening = z.object({
  ...{ siteId, sessionId: optionalName, wakewordId: optionalName, lang: optionalName },
});

const initSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('action'),
    canBeEnqueued: flag,
    text: optionalText,
    intentFilter,
    sendIntentNotRecognized: flag,
  }),
  z.object({ type: z.literal('notification'), text: optionalText }),
]);

/** The topics that are listened to, with what comes on them. */
export const SCHEMAS = {
  'hermes/hotword/toggleOn': toggle,
  'hermes/hotword/toggleOff': toggle,
  'hermes/asr/toggleOn': toggle,
  'hermes/asr/toggleOff': toggle,
  'hermes/asr/startListening': listening,
  'hermes/asr/stopListening': listening,
  'hermes/nlu/query': z.object({
    input: text,
    id: optionalName,
    siteId,
    sessionId: optionalName,
    intentFilter,
    wakewordId: optionalName,
    lang: optionalName,
    customData,
    asrConfidence: z.number().nullish(),
  }),
  'hermes/hotword/+/detected': z.object({ siteId, sessionId: optionalName, lang: optionalName }),
  'hermes/dialogueManager/startSession': z.object({
    ...{ siteId, init: initSchema, customData, lang: optionalName },
  }),
  'hermes/dialogueManager/continueSession': z.object({
    sessionId: name.min(1),
    customData,
    text: optionalText,
    intentFilter,
    sendIntentNotRecognized: flag,
    lang: optionalName,
  }),
  'hermes/dialogueManager/endSession': z.object({
    ...{ sessionId: name.min(1), customData, text: optionalText },
  }),
  'hermes/tts/sayFinished': z.object({ id: optionalName, siteId, sessionId: optionalName }),
} as const;

/** A filter that is subscribed to. */
export type Filter = keyof typeof SCHEMAS;
/** What comes by a filter, its defaults filled in. */
export type Incoming<F extends Filter> = z.infer<(typeof SCHEMAS)[F]>;

/**
 * A payload as what its topic says. Nothing at all counts as `{}`, as some programs send toggles.
 * Throws LedgeError payload-too-large, payload-invalid or value-invalid.
 */
export function parseMessage<F extends Filter>(filter: F, payload: Uint8Array): Incoming<F> {
  if (payload.byteLength > JSON_BYTES_MAX) {
    const state = `it has ${payload.byteLength} bytes, at most ${JSON_BYTES_MAX} are taken`;
    throw new LedgeError('payload-too-large', `Cannot use ${filter}: ${state}`);
  }
  const parsed = SCHEMAS[filter].safeParse(parseJson(filter, payload));
  if (parsed.success) return parsed.data as Incoming<F>;
  const [issue] = parsed.error.issues;
  const field = issue?.path.join('.') ?? '';
  throw new LedgeError('value-invalid', `Cannot use ${filter}: ${field}: ${issue?.message}`, {
    context: { field },
  });
}

function parseJson(filter: string, payload: Uint8Array): unknown {
  const source = Buffer.from(payload).toString('utf8');
  if (source.trim() === '') return {};
  try {
    return JSON.parse(source);
  } catch {
    throw new LedgeError('payload-invalid', `Cannot use ${filter}: it is no JSON`);
  }
}

/** Which component of the protocol a topic speaks to, for `hermes/error/<component>`. */
export function componentOf(topic: string): string {
  return topic.split('/')[1] ?? 'hermes';
}
