import { defineStage } from '../../flow/stage.ts';
import type { z } from '../../std/schema.ts';
import { decodeJsonRecord } from './json.ts';
import { decodeMsgpackRecord } from './msgpack.ts';
import { payloadInvalid, payloadOf, requireBytes } from './payload.ts';
import { recordSchema } from './record.ts';
import { decodeSenml, senmlSchema } from './senml.ts';

const schema = recordSchema.extend(senmlSchema.shape);

type Format = 'json' | 'senml' | 'msgpack';

/** By the first part of MQTT 5's content type, in lower case. */
const FORMATS: ReadonlyMap<string, Format> = new Map([
  ['application/json', 'json'],
  ['application/senml+json', 'senml'],
  ['application/msgpack', 'msgpack'],
  ['application/x-msgpack', 'msgpack'],
  ['application/vnd.msgpack', 'msgpack'],
]);

/**
 * A sensor's record in JSON, msgpack or SenML: by the content type, else by the first byte.
 * Fails with payload-invalid, payload-too-large, value-invalid.
 */
export const sensor = defineStage<z.infer<typeof schema>>({
  kind: 'sensor',
  phase: 'decode',
  summary: 'Reads a record of numbers as flat JSON, msgpack or SenML, whichever it is.',
  schema,
  create(config, context) {
    requireBytes(context);
    return {
      output: { kind: 'fields' },
      scope: 'shared',
      open: () => ({
        run(value, { event }) {
          const bytes = payloadOf(value, config.payloadBytesMax);
          switch (formatOf(bytes, event.contentType)) {
            case 'json':
              return decodeJsonRecord(bytes, config, event);
            case 'senml':
              return decodeSenml(bytes, config, event);
            case 'msgpack':
              return decodeMsgpackRecord(bytes, config, event);
          }
        },
      }),
    };
  },
});

function formatOf(bytes: Uint8Array, contentType: string | undefined): Format {
  const media = contentType?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const told = FORMATS.get(media);
  // A list under application/json can only be SenML: a record is an object.
  if (told !== undefined && told !== 'json') return told;
  const first = bytes[firstVisible(bytes)];
  if (first === 0x5b) return 'senml';
  if (first === 0x7b || told === 'json') return 'json';
  if (first !== undefined && ((first & 0xf0) === 0x80 || first === 0xde || first === 0xdf)) {
    return 'msgpack';
  }
  const found = first === undefined ? 'it is empty' : `it begins with 0x${first.toString(16)}`;
  throw payloadInvalid('the record', `${found}, expected a JSON object, SenML or a msgpack map`);
}

/** The index behind JSON's white space. */
function firstVisible(bytes: Uint8Array): number {
  let at = 0;
  while (bytes[at] === 0x20 || bytes[at] === 0x0a || bytes[at] === 0x0d || bytes[at] === 0x09) at++;
  return at;
}
