import { memorySource } from '../../src/bundle/archive.ts';
import { parsePublicKey } from '../../src/bundle/keys.ts';
import { parseBundleManifest } from '../../src/bundle/manifest.ts';
import { parseBundle } from '../../src/bundle/read-bundle.ts';
import { parseSignatures } from '../../src/bundle/signatures.ts';
import { parseHeader } from '../../src/bundle/ustar.ts';
import { parseAcl } from '../../src/bus/access/acl-file.ts';
import { compileTopicPattern, filterProblem, topicProblem } from '../../src/bus/topics.ts';
import { parseObject } from '../../src/devices/exchange.ts';
import { wavDurationMs } from '../../src/devices/wav-duration.ts';
import type { FlowEvent } from '../../src/flow/event.ts';
import { flowSchema } from '../../src/flow/schema.ts';
import type { Outcome } from '../../src/flow/stage.ts';
import { PIXELS_MAX_DEFAULT, readImageHeader } from '../../src/image/header.ts';
import { parseManifest } from '../../src/models/manifest.ts';
import { configSchema } from '../../src/node/config.ts';
import { decodeJsonRecord, parseJson } from '../../src/stages/decode/json.ts';
import { decodeMsgpackRecord } from '../../src/stages/decode/msgpack.ts';
import { utf8Of } from '../../src/stages/decode/payload.ts';
import { decodePcm16 } from '../../src/stages/decode/pcm16.ts';
import { decodeSenml } from '../../src/stages/decode/senml.ts';
import { decodeWav } from '../../src/stages/decode/wav.ts';
import { decodeMsgpack } from '../../src/std/msgpack.ts';
import { parseWith, parseYaml } from '../../src/std/yaml.ts';
import { decodeRecord } from '../../src/store/journal-record.ts';
import { decodeHeader as decodeOutboxHeader } from '../../src/store/outbox-record.ts';
import { seedsOf } from './seeds.ts';

/** A parser of outside bytes, and good inputs that bad ones are made of. */
export interface ParserTarget {
  readonly name: string;
  readonly seeds: readonly Uint8Array[];
  parse(bytes: Uint8Array): unknown;
}

const SOUND = { secondsMax: 60, truncated: 'accept' } as const;
const RAW = { sampleRateHz: 16_000, channels: 1, secondsMax: 60 };
const RECORD = { payloadBytesMax: 65_536, fieldsMax: 256, timestampField: 'ts' };
const PACK = { payloadBytesMax: 65_536, fieldsMax: 256, recordsMax: 256, names: 'full' } as const;

/** Every parser that bytes from outside the process reach. */
export const PARSERS: readonly ParserTarget[] = [
  target('json', (bytes) => parseJson(bytes)),
  target('json-record', (bytes) => decodeJsonRecord(bytes, RECORD, event())),
  target('json-reply', (bytes) => parseObject(bytes)),
  target('senml', (bytes) => decodeSenml(bytes, PACK, event())),
  target('msgpack', (bytes) => decodeMsgpack(bytes)),
  target('msgpack-record', (bytes) => decodeMsgpackRecord(bytes, RECORD, event())),
  target('utf8', (bytes) => utf8Of(bytes, 'text')),
  target('wav', (bytes) => checkSamples(decodeWav(bytes, SOUND).samples)),
  target('wav-duration', (bytes) => wavDurationMs(bytes)),
  target('pcm16', (bytes) => decodePcm16(bytes, RAW)),
  target('image', (bytes) => readImageHeader(bytes, PIXELS_MAX_DEFAULT)),
  target('yaml', (bytes) => parseYaml(text(bytes), 'any.yaml')),
  target('flow-file', (bytes) => withSchema(bytes, flowSchema)),
  target('configuration', (bytes) => withSchema(bytes, configSchema)),
  target('model-manifest', (bytes) => parseManifest(text(bytes), 'model.yaml')),
  target('tar-header', (bytes) => parseHeader(bytes)),
  target('bundle', (bytes) => parseBundle(memorySource(bytes))),
  target('bundle-manifest', (bytes) => parseBundleManifest(bytes)),
  target('bundle-signatures', (bytes) => parseSignatures(bytes)),
  target('public-key', (bytes) => parsePublicKey(text(bytes))),
  target('topic', (bytes) => topicProblem(text(bytes))),
  target('topic-filter', (bytes) => filterProblem(text(bytes))),
  target('topic-pattern', (bytes) => compileTopicPattern(text(bytes)).deviceOf(text(bytes))),
  target('acl', (bytes) => parseAcl(text(bytes), 'acl')),
  target('journal-record', (bytes) => decodeRecord(bytes)),
  target('outbox-record', (bytes) => decodeOutboxHeader(bytes)),
];

function target(name: string, parse: (bytes: Uint8Array) => unknown): ParserTarget {
  return { name, seeds: seedsOf(name), parse };
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8');
}

function withSchema(bytes: Uint8Array, schema: Parameters<typeof parseWith>[0]) {
  const file = parseYaml(text(bytes), 'any.yaml');
  return file.kind === 'ok' ? parseWith(schema, file.value) : file;
}

/** Throws where a decoded sound has samples that are no numbers. */
function checkSamples(samples: Float32Array): void {
  const bad = samples.findIndex((sample) => !Number.isFinite(sample));
  if (bad >= 0) throw new TypeError(`sample ${bad} is ${samples[bad]}`);
}

function event(): FlowEvent {
  const timing = { queueMs: 0, decodeMs: 0, preprocessMs: 0, inferMs: 0, postprocessMs: 0 };
  const fixed = { id: '1', device: 'd', topic: 't', payload: new Uint8Array() };
  return { ...fixed, receivedAtMs: 0, ts: 1.7e12, timing };
}

/** The numbers of an outcome: none may be anything but finite. */
export function numbersOf(outcome: Outcome): readonly number[] {
  const values =
    outcome.kind === 'emit' ? [outcome.value] : outcome.kind === 'emit-many' ? outcome.values : [];
  return values.flatMap((value) => (value.kind === 'fields' ? Object.values(value.fields) : []));
}
