import { createHash } from 'node:crypto';
import { generateKeyPair } from '../../src/bundle/keys.ts';
import { encodeManifest } from '../../src/bundle/manifest.ts';
import { encodeSignatures } from '../../src/bundle/signatures.ts';
import { encodeHeader } from '../../src/bundle/ustar.ts';
import { encodePng } from '../../src/image/png.ts';
import { encodeWav } from '../../src/signal/wav.ts';
import { encodeMsgpack } from '../../src/std/msgpack.ts';
import { encodeRecord } from '../../src/store/journal-record.ts';

const FLOW = `description: any
source: { device: voice, topic: 'in/{device}/x', keep: all, deadlineMs: 2000 }
steps:
  - audio: { sampleRateHz: 16000 }
  - window: &w { seconds: 1, hopSeconds: 0.5 }
    as: scores
  - top-k: *w
sink: { encoding: json, qos: 1 }
tests:
  - { name: yes, event: samples/yes.wav, expect: [{ label: 'yes', score: [0.1, 1] }] }
`;
const CONFIG = `node: shelf-1
broker: { host: 127.0.0.1, port: 1883, connectionsMax: 64 }
http: { enabled: true, port: 9001 }
trust: ['ed25519:AAAA']
drainSeconds: 1.5
`;
const MODEL = `name: kws
version: 1
sha256: ${'ab'.repeat(32)}
precision: int8
inputs: [{ name: x, type: float32, shape: [N, 49, 10] }]
outputs: [{ name: y, type: float32, shape: [N, 12] }]
labels: [yes, no]
`;
const ACL = `# a site
topic read a/b
user ann
topic readwrite c/#
pattern write d/%u/%c/+
`;
const SENML = [
  { bn: 'urn:dev:1:', bt: 1.7e9, bu: 'V', bver: 10, n: 'u', v: 1.5 },
  { n: 'i', t: -5, v: 2 },
  { n: 'on', vb: true },
];
const RECORD = { ts: 1_700_000_000, temperature: 21.5, on: true, count: -3 };
const VALUES = [null, true, -1, 1.5, 2 ** 40, 'text', [1, [2]], { a: { b: new Uint8Array(3) } }];

/** Good inputs of a parser, made by this project's own encoders. */
export function seedsOf(name: string): readonly Uint8Array[] {
  const make = SEEDS[name];
  if (make === undefined) throw new TypeError(`no seeds for ${name}`);
  return make();
}

const json = (...values: readonly unknown[]) =>
  values.map((one) => Buffer.from(JSON.stringify(one)));
const texts = (...lines: readonly string[]) => lines.map((line) => Buffer.from(line));

const SEEDS: Readonly<Record<string, () => readonly Uint8Array[]>> = {
  json: () => json(RECORD, VALUES, 'a\u0000\ud800\u00e9', [[[[]]]]),
  'json-record': () => json(RECORD, { ts: '2026-01-01T00:00:00Z', a: 1e308 }),
  'json-reply': () => json({ error: { code: 'x' } }, { reason: 'y', events: [{ device: 'd' }] }),
  senml: () => json(SENML, [{ n: 'a', v: 1 }]),
  msgpack: () => [encodeMsgpack(VALUES), encodeMsgpack(RECORD), encodeMsgpack('x'.repeat(300))],
  'msgpack-record': () => [encodeMsgpack(RECORD), encodeMsgpack({ a: 2 ** 40, b: 1.25 })],
  utf8: () => texts('plain', 'caf\u00e9 \u20ac \u{1f600}'),
  wav: waves,
  'wav-duration': waves,
  pcm16: () => [new Uint8Array(64)],
  image: () => [png(), jpeg(), webp()],
  yaml: () => texts(FLOW, CONFIG, MODEL, 'a: |\n  b\n  c\n? [x]\n: !!str 1\n--- >-\n x\n'),
  'flow-file': () => texts(FLOW),
  configuration: () => texts(CONFIG),
  'model-manifest': () => texts(MODEL),
  'tar-header': () => [encodeHeader({ name: 'files/flow.yaml', size: 100 })],
  bundle: () => [bundle()],
  'bundle-manifest': () => [manifest(Buffer.from('steps: []\n'))],
  'bundle-signatures': () => [signatures()],
  'public-key': () => texts(generateKeyPair().publicKey),
  topic: () => texts('ledge/in/voice/mic-1', '$SYS/x', '/a//b/'),
  'topic-filter': () => texts('ledge/+/voice/#', '#', '+/+', '$share/g/a'),
  'topic-pattern': () => texts('ledge/in/{device}/x', '+/{device}/#', '{device}'),
  acl: () => texts(ACL),
  'journal-record': () => [journalRecord()],
  'outbox-record': () => [encodeMsgpack(['a/b', 12, 1, 1.7e12, null])],
};

function waves(): readonly Uint8Array[] {
  const sine = Float32Array.from({ length: 32 }, (_, at) => Math.sin(at));
  const floats = Buffer.from(encodeWav(sine, 8000));
  floats.writeUInt16LE(3, 20);
  floats.writeUInt16LE(4, 32);
  floats.writeUInt16LE(32, 34);
  return [encodeWav(sine, 16_000), floats];
}

function png(): Uint8Array {
  return encodePng({ width: 4, height: 3, channels: 3, data: new Uint8Array(36) });
}

/** Segments as a camera writes them: APP1 with EXIF, SOF0, SOS. */
function jpeg(): Uint8Array {
  const exif = '45786966000049492a000800000001001201030001000000060000000000';
  const app1 = `ffe1${(exif.length / 2 + 2).toString(16).padStart(4, '0')}${exif}`;
  const frame = 'ffc0001108001000200301220002110103110100';
  return Buffer.from(`ffd8${app1}${frame}ffda0002ffd9`, 'hex');
}

function webp(): Uint8Array {
  const chunk = Buffer.alloc(18);
  chunk.write('VP8X', 0, 'latin1');
  chunk.writeUInt32LE(10, 4);
  const header = Buffer.from('RIFF\x1a\0\0\0WEBP', 'latin1');
  return Buffer.concat([header, chunk]);
}

function manifest(flow: Uint8Array): Uint8Array {
  const sha256 = createHash('sha256').update(flow).digest('hex');
  const files = [{ path: 'flow.yaml', bytes: flow.length, sha256 }];
  return encodeManifest({
    name: 'a',
    version: '1',
    created: '2026-01-01T00:00:00Z',
    ledge: '0.1.0',
    files,
  });
}

function signatures(): Uint8Array {
  const signature = Buffer.alloc(64, 7).toString('base64');
  return encodeSignatures([{ key: generateKeyPair().publicKey, signature }]);
}

function bundle(): Uint8Array {
  const flow = Buffer.from('steps: []\n');
  const parts = [
    ['bundle.json', manifest(flow)],
    ['bundle.sig', signatures()],
    ['files/flow.yaml', flow],
  ] as const;
  const entries = parts.flatMap(([name, data]) => {
    const rest = Buffer.alloc((512 - (data.length % 512)) % 512);
    return [encodeHeader({ name, size: data.length }), data, rest];
  });
  return Buffer.concat([...entries, Buffer.alloc(1024)]);
}

function journalRecord(): Uint8Array {
  const properties = { contentType: 'x', userProperties: { a: ['b', 'c'] } };
  return encodeRecord({ id: 'e', ts: 1, topic: 'a/b', qos: 1, payload: png(), properties });
}
