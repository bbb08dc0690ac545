import { expect } from 'vitest';
import { both, type Case, casesOf, connectBytes, frame, type Ground, text } from './case.ts';

async function endsConnection(ground: Ground, bytes: readonly number[]): Promise<void> {
  const client = await ground.connect('bad');
  client.sendBytes(bytes);
  const farewell = await client.farewell();
  if (ground.version === 5) expect(farewell?.reasonCode).toBeGreaterThanOrEqual(0x80);
}

function publish(version: 4 | 5, topic: readonly number[], properties: number[] = []): number[] {
  const middle = version === 5 ? [properties.length, ...properties] : [];
  return frame(0x30, [...text(topic), ...middle, 120]);
}

type Bytes = readonly number[] | ((version: 4 | 5) => readonly number[]);

const REFUSED: ReadonlyArray<readonly [4 | 5 | 'both', string, string, Bytes]> = [
  ['both', 'MQTT-1.5.4-1', 'a topic that is not UTF-8', (v) => publish(v, [0xc3, 0x28])],
  ['both', 'MQTT-1.5.4-1', 'a topic with a surrogate', (v) => publish(v, [0xed, 0xa0, 0x80])],
  ['both', 'MQTT-1.5.4-2', 'a topic with a null character', (v) => publish(v, [97, 0, 98])],
  ['both', 'MQTT-3.3.2-2', 'a topic with a wildcard', (v) => publish(v, [97, 47, 43])],
  ['both', 'MQTT-4.7.3-1', 'an empty topic', (v) => publish(v, [])],
  ['both', 'MQTT-3.3.1-4', 'a PUBLISH with QoS 3', [0x36, 6, 0, 1, 97, 0, 1, 0]],
  ['both', 'MQTT-3.3.1-2', 'a PUBLISH with DUP and QoS 0', [0x38, 4, 0, 1, 97, 0]],
  ['both', 'MQTT-2.2.1-3', 'a PUBLISH with packet identifier 0', [0x32, 6, 0, 1, 97, 0, 0, 0]],
  ['both', 'MQTT-2.1.3-1', 'a SUBSCRIBE with wrong flags', [0x80, 7, 0, 1, 0, 0, 1, 97, 0]],
  ['both', 'MQTT-2.1.3-1', 'a PUBREL with wrong flags', [0x60, 2, 0, 1]],
  ['both', 'MQTT-2.1.3-1', 'a PINGREQ with flags', [0xc1, 0]],
  [
    'both',
    'MQTT-3.8.3-2',
    'a SUBSCRIBE without a filter',
    (v) => frame(0x82, v === 5 ? [0, 1, 0] : [0, 1]),
  ],
  [
    'both',
    'MQTT-3.10.3-2',
    'an UNSUBSCRIBE without a filter',
    (v) => frame(0xa2, v === 5 ? [0, 1, 0] : [0, 1]),
  ],
  [4, 'MQTT-3.8.3-4', 'reserved options of a filter', frame(0x82, [0, 1, ...text('a'), 0x04])],
  [5, 'MQTT-3.8.3-5', 'reserved options of a filter', frame(0x82, [0, 1, 0, ...text('a'), 0x40])],
  [5, '3.8.3.1', 'Retain Handling 3', frame(0x82, [0, 1, 0, ...text('a'), 0x30])],
  ['both', '4.8', 'a CONNACK from a client', [0x20, 2, 0, 0]],
  ['both', '4.8', 'a packet of type 0', [0x00, 0]],
  ['both', 'MQTT-1.5.5-1', 'a length of five bytes', [0x30, 255, 255, 255, 255, 127]],
  ['both', '2.1.4', 'a topic that is cut short', [0x30, 3, 0, 9, 97]],
  [
    'both',
    '2.1.4',
    'a filter that is cut short',
    (v) => frame(0x82, [0, 1, ...(v === 5 ? [0] : []), 0, 9, 97]),
  ],
  [5, '3.3.2.3.5', 'a Response Topic that is cut short', publish(5, [97], [0x08, 0, 200])],
  [5, '2.2.2.2', 'a property twice', publish(5, [97], [0x01, 0, 0x01, 0])],
  [5, '2.2.2.2', 'an unknown property', publish(5, [97], [0x7f, 1])],
  [5, '2.2.2.2', 'a property of another packet', publish(5, [97], [0x11, 0, 0, 0, 9])],
  [5, '2.2.2.1', 'properties longer than the packet', [0x30, 5, 0, 1, 97, 100, 1]],
  [
    5,
    'MQTT-1.5.4-1',
    'a user property that is not UTF-8',
    publish(5, [97], [0x26, 0, 1, 0xff, 0, 0]),
  ],
  [
    5,
    '3.14.2.2.2',
    'a Session Expiry Interval twice in DISCONNECT',
    frame(0xe0, [0, 10, 0x11, 0, 0, 0, 0, 0x11, 0, 0, 0, 0]),
  ],
  [5, '3.15', 'an AUTH without an authentication method', frame(0xf0, [0x18, 0])],
];

/** Packets that break the standard: each ends its connection, and tells a client of MQTT 5 why. */
export const MALFORMED_CASES: readonly Case[] = [
  ...casesOf(
    'malformed packets',
    REFUSED.map(([versions, clause, what, bytes]) => [
      versions === 'both' ? both(clause) : { [versions]: clause },
      `${what} ends the connection`,
      (ground: Ground) =>
        endsConnection(ground, typeof bytes === 'function' ? bytes(ground.version) : bytes),
    ]),
  ),
  ...casesOf('malformed packets', [
    [
      both('MQTT-3.1.3-11'),
      'a will on a topic with a wildcard is not served',
      async (ground) => {
        const client = await ground.open();
        const will = [...(ground.version === 5 ? [0] : []), ...text('a/+'), ...text('x')];
        const payload = [...text(`w-${process.pid}`), ...will];
        client.sendBytes(connectBytes(ground.version, { flags: 6, payload }));
        await client.ended;
        if (client.bytes.length > 0) expect(client.connack.reasonCode).toBe(0x90);
      },
    ],
    [
      both('2.1.4'),
      'a packet that comes byte by byte is served',
      async (ground) => {
        const client = await ground.connect('slow');
        const topic = ground.topic('s');
        await client.subscribe(topic);
        for (const byte of publish(ground.version, [...Buffer.from(topic)])) {
          client.sendBytes([byte]);
          await new Promise((resolve) => setImmediate(resolve));
        }
        await client.message(topic);
      },
    ],
  ]),
];
