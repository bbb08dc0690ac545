import type { FlowEvent } from '../../flow/event.ts';
import { defineStage, type Outcome } from '../../flow/stage.ts';
import { payloadInvalid, payloadOf, requireBytes, utf8Of } from './payload.ts';
import { type RecordConfig, recordOf, recordSchema } from './record.ts';

/**
 * A flat JSON object of numbers and booleans, its time taken out into the event.
 * Fails with payload-invalid, payload-too-large, value-invalid.
 */
export const json = defineStage<RecordConfig>({
  kind: 'json',
  phase: 'decode',
  summary: 'Reads a flat JSON object of numbers; its `ts` becomes the time of the event.',
  schema: recordSchema,
  create(config, context) {
    requireBytes(context);
    return {
      output: { kind: 'fields' },
      scope: 'shared',
      open: () => ({
        run: (value, { event }) =>
          decodeJsonRecord(payloadOf(value, config.payloadBytesMax), config, event),
      }),
    };
  },
});

/** One JSON record as fields. The bytes are within their limit already, and so is their depth. */
export function decodeJsonRecord(
  bytes: Uint8Array,
  config: RecordConfig,
  event: FlowEvent,
): Outcome {
  const parsed = parseJson(bytes);
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw payloadInvalid('JSON', 'expected an object of numbers');
  }
  return recordOf(parsed as Record<string, unknown>, config, event);
}

/** Any JSON value. Throws LedgeError payload-invalid. */
export function parseJson(bytes: Uint8Array): unknown {
  const content = utf8Of(bytes, 'JSON');
  try {
    return JSON.parse(content);
  } catch (error) {
    throw payloadInvalid('JSON', (error as Error).message, error);
  }
}
