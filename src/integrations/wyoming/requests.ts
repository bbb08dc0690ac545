import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';
import type { Frame } from './frame.ts';

/** Names in one `detect`: a service offers a handful of wake words. */
const NAMES_MAX = 64;
/** A spoken command is a few words. */
const TEXT_LENGTH_MAX = 4096;

const timestamp = z.number().nullish();
const formatSchema = z.object({
  rate: z.int().min(4000).max(192_000),
  width: z.int().min(1).max(4),
  channels: z.int().min(1).max(8),
  timestamp,
});

/** How the sound that follows is stored: interleaved little-endian samples of `width` bytes. */
export type SoundFormat = z.infer<typeof formatSchema>;

const schemas = {
  describe: z.object({}),
  ping: z.object({ text: z.string().max(TEXT_LENGTH_MAX).nullish() }),
  detect: z.object({ names: z.array(z.string().max(256)).max(NAMES_MAX).nullish() }),
  transcribe: z.object({}),
  transcript: z.object({ text: z.string().max(TEXT_LENGTH_MAX) }),
  'audio-start': formatSchema,
  'audio-chunk': formatSchema,
  'audio-stop': z.object({}),
} as const;

type Schemas = typeof schemas;

/** What a client may ask, and what comes with it. */
export type Request = {
  [Type in keyof Schemas]: {
    readonly type: Type;
    readonly data: z.infer<Schemas[Type]>;
    readonly payload: Uint8Array;
  };
}[keyof Schemas];

/**
 * A frame as a request; undefined for an event that is no question to this service, which the protocol
 * has many of. Throws LedgeError value-invalid that names the field.
 */
export function parseRequest({ type, data, payload }: Frame): Request | undefined {
  if (!Object.hasOwn(schemas, type)) return undefined;
  const parsed = schemas[type as keyof Schemas].safeParse(data);
  if (parsed.success) return { type, data: parsed.data, payload } as Request;
  const [issue] = parsed.error.issues;
  const field = issue?.path.join('.') ?? '';
  throw new LedgeError('value-invalid', `Cannot use ${type}: ${field}: ${issue?.message}`, {
    context: { type, field },
  });
}
