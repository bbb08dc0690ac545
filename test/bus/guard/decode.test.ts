import fc from 'fast-check';
import { generate, type Packet, parser } from 'mqtt-packet';
import { describe, expect, test } from 'vitest';
import { decode, type FramePlace } from '../../../src/bus/guard/decode.ts';
import { encodePublish } from '../../../src/bus/guard/encode.ts';
import { createFrames } from '../../../src/bus/guard/frames.ts';
import { userPropertyPairs } from '../../../src/bus/guard/properties.ts';
import { Violation } from '../../../src/bus/guard/violation.ts';

function framesOf(chunks: readonly Buffer[]): Buffer[] {
  const found: Buffer[] = [];
  const frames = createFrames(() => undefined);
  for (const chunk of chunks) {
    frames.push(chunk, ({ bytes, start, end }) => {
      found.push(Buffer.from(bytes.subarray(start, end)));
      return 'go on';
    });
  }
  return found;
}

function placeOf(bytes: Buffer): FramePlace {
  let place: FramePlace | undefined;
  createFrames(() => undefined).push(bytes, (frame) => {
    place = frame;
    return 'stop';
  });
  if (place === undefined) throw new Error('the bytes are no packet');
  return place;
}

const publish = { cmd: 'publish', dup: false, retain: false, topic: 'a/ä', payload: 'x' } as const;
const packets: readonly Packet[] = [
  {
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 5,
    clientId: 'a',
    clean: true,
    keepalive: 7,
  },
  {
    ...{ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 5, clientId: 'ü', clean: false },
    ...{ keepalive: 0, username: 'me', password: Buffer.from('pw') },
    properties: { sessionExpiryInterval: 9, receiveMaximum: 3, userProperties: { a: 'b' } },
    will: {
      ...{ topic: 'w', payload: Buffer.from('bye'), qos: 2, retain: true },
      properties: { willDelayInterval: 4, contentType: 'text' },
    },
  },
  { ...publish, qos: 0 },
  { ...publish, qos: 1, messageId: 65_535, retain: true, dup: true },
  {
    ...{ ...publish, qos: 2, messageId: 1 },
    properties: {
      ...{ payloadFormatIndicator: true, messageExpiryInterval: 5, topicAlias: 2 },
      ...{ responseTopic: 'r', correlationData: Buffer.from([0, 255]), contentType: 'c' },
      userProperties: { a: ['1', '2'], b: '3' },
    },
  },
  { cmd: 'puback', messageId: 3, reasonCode: 0 },
  { cmd: 'pubrec', messageId: 3, reasonCode: 0x80, properties: { reasonString: 'no' } },
  { cmd: 'pubrel', messageId: 3, reasonCode: 0 },
  { cmd: 'pubcomp', messageId: 3, reasonCode: 0x92 },
  {
    ...{ cmd: 'subscribe', messageId: 3, properties: { subscriptionIdentifier: 300 } },
    subscriptions: [
      { topic: 'a/#', qos: 1, nl: true, rap: false, rh: 2 },
      { topic: '+', qos: 0, nl: false, rap: true, rh: 0 },
    ],
  },
  { cmd: 'unsubscribe', messageId: 9, unsubscriptions: ['a', 'b/#'] },
  { cmd: 'pingreq' },
  { cmd: 'disconnect', reasonCode: 4, properties: { sessionExpiryInterval: 1 } },
];

const wire = packets.map((packet) => generate(packet, { protocolVersion: 5 }));

function decodeFive(bytes: Buffer): object {
  const version = bytes[0] === 0x10 ? undefined : 5;
  return decode(placeOf(bytes), { version, bridgeMode: false });
}

describe('decode', () => {
  test.each(wire.map((bytes, at) => [packets[at]?.cmd, bytes] as const))(
    'a %s reads as the library reads it',
    (_, bytes) => {
      const reference: Packet[] = [];
      const theirs = parser({ protocolVersion: 5 });
      theirs.on('packet', (packet) => reference.push(packet));
      theirs.parse(bytes);
      const wanted = JSON.parse(JSON.stringify(reference[0])) as Record<string, unknown>;
      const found = JSON.parse(JSON.stringify(decodeFive(bytes))) as Record<string, unknown>;
      for (const [field, value] of Object.entries(wanted)) {
        // The library has a field for everything, and takes fixed flags for a QoS.
        const idle = value === null || (field === 'qos' && wanted.cmd !== 'publish');
        if (!idle) expect(found[field]).toEqual(value);
      }
    },
  );

  test('every cut of every packet is a violation, and nothing else', () => {
    for (const bytes of wire) {
      const place = placeOf(bytes);
      for (let end = place.body; end < place.end; end += 1) {
        const version = bytes[0] === 0x10 ? undefined : 5;
        try {
          decode({ ...place, end }, { version, bridgeMode: false });
        } catch (error) {
          expect(error).toBeInstanceOf(Violation);
        }
      }
    }
  });

  test('any bytes are read, or refused as a violation', () => {
    const body = fc.uint8Array({ maxLength: 60 });
    const mutated = fc
      .tuple(fc.constantFrom(...wire), fc.nat(200), fc.integer({ min: 0, max: 255 }))
      .map(([bytes, at, value]) => {
        const copy = Uint8Array.from(bytes);
        copy[2 + (at % Math.max(1, copy.length - 2))] = value;
        return copy;
      });
    fc.assert(
      fc.property(
        fc.oneof(body, mutated),
        fc.constantFrom(undefined, 4 as const, 5 as const),
        (bytes, version) => {
          if (bytes.length < 2) return;
          const place = { bytes: Buffer.from(bytes), start: 0, body: 2, end: bytes.length };
          try {
            decode(place, { version, bridgeMode: false });
          } catch (error) {
            expect(error).toBeInstanceOf(Violation);
          }
        },
      ),
      { numRuns: 20_000 },
    );
  });

  test('user properties keep the order in which they came', () => {
    const pairs = [...'b1a2b1'].map((name, at) => [name, `${at}`] as const);
    const encoded = pairs.flatMap(([name, value]) => [
      ...[0x26, 0, 1, name.charCodeAt(0)],
      ...[0, 1, value.charCodeAt(0)],
    ]);
    const bytes = Buffer.from([0x30, 4 + encoded.length, 0, 1, 97, encoded.length, ...encoded]);
    const { properties } = decodeFive(bytes) as { properties: { userProperties: object } };
    const found = properties.userProperties as Record<string, string | string[]>;
    expect(userPropertyPairs(found)).toEqual(pairs);
    expect(found).toEqual({ b: ['0', '4'], 1: ['1', '5'], a: '2', 2: '3' });
  });
});

describe('frames', () => {
  const all = Buffer.concat([...wire, Buffer.alloc(0)]);

  test('packets come out whole, wherever the bytes are cut', () => {
    for (let cut = 0; cut <= all.length; cut += 1) {
      expect(framesOf([all.subarray(0, cut), all.subarray(cut)])).toEqual(wire);
    }
  });

  test('packets come out whole, byte by byte', () => {
    expect(framesOf([...all].map((byte) => Buffer.from([byte])))).toEqual(wire);
  });

  test('a packet of a megabyte in pieces comes out whole', () => {
    const big = generate({ ...publish, qos: 0, payload: Buffer.alloc(1e6, 'abc') });
    const pieces: Buffer[] = [];
    for (let at = 0; at < big.length; at += 777) pieces.push(big.subarray(at, at + 777));
    const [only, ...others] = framesOf(pieces);
    expect(only?.equals(big)).toBe(true);
    expect(others).toEqual([]);
  });
});

describe('encodePublish', () => {
  test('gives what the library reads', () => {
    const properties = {
      ...{ payloadFormatIndicator: true, contentType: 'c', responseTopic: 'r' },
      ...{ correlationData: Buffer.from([1]), userProperties: { a: 'b' } },
    };
    const head = encodePublish({
      ...{ topic: 'a/ä', payload: Buffer.alloc(200, 1), qos: 1, retain: true, dup: true },
      messageId: 77,
      v5: { properties, expirySeconds: 5, subscriptionIds: [1, 300], alias: 3 },
    });
    const found: Packet[] = [];
    const theirs = parser({ protocolVersion: 5 });
    theirs.on('packet', (packet) => found.push(packet));
    theirs.parse(Buffer.concat([head, Buffer.alloc(200, 1)]));
    expect(found[0]).toMatchObject({
      ...{ topic: 'a/ä', qos: 1, retain: true, dup: true, messageId: 77 },
      properties: {
        ...{ payloadFormatIndicator: true, contentType: 'c', responseTopic: 'r', topicAlias: 3 },
        ...{ messageExpiryInterval: 5, subscriptionIdentifier: [1, 300] },
      },
    });
  });
});
