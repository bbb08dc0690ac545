import type { FlowEvent } from '../../flow/event.ts';
import { defineStage, type Outcome } from '../../flow/stage.ts';
import { readFlatMap } from './msgpack-reader.ts';
import { payloadOf, requireBytes } from './payload.ts';
import { type RecordConfig, recordOf, recordSchema } from './record.ts';

/**
 * A flat msgpack map of numbers and booleans, its time taken out into the event.
 * Fails with payload-invalid, payload-too-large, value-invalid.
 */
export const msgpack = defineStage<RecordConfig>({
  kind: 'msgpack',
  phase: 'decode',
  summary: 'Reads a flat msgpack map of numbers; its `ts` becomes the time of the event.',
  schema: recordSchema,
  create(config, context) {
    requireBytes(context);
    return {
      output: { kind: 'fields' },
      scope: 'shared',
      open: () => ({
        run: (value, { event }) =>
          decodeMsgpackRecord(payloadOf(value, config.payloadBytesMax), config, event),
      }),
    };
  },
});

/** One msgpack record as fields. The bytes are within their limit already. */
export function decodeMsgpackRecord(
  bytes: Uint8Array,
  config: RecordConfig,
  event: FlowEvent,
): Outcome {
  const entries = readFlatMap(bytes, config.fieldsMax);
  const ts = entries[config.timestampField];
  // Senders with 64-bit integers send milliseconds in them.
  if (typeof ts === 'bigint') entries[config.timestampField] = Number(ts);
  return recordOf(entries, config, event);
}
