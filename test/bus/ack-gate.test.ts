import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { generate, type Packet } from 'mqtt-packet';
import { expect, test } from 'vitest';
import { AckGate } from '../../src/bus/ack-gate.ts';

function gateOver(): { gate: AckGate; written: () => Buffer } {
  const chunks: Buffer[] = [];
  const inner = new Duplex({
    read() {},
    write(chunk: Buffer, _, done) {
      chunks.push(chunk);
      done();
    },
  });
  const gate = new AckGate(inner, { openEvent: 'connect', onClosed: () => {} });
  return { gate, written: () => Buffer.concat(chunks) };
}

const ack = (cmd: 'puback' | 'pubrec', messageId: number, version: 4 | 5 = 5): Buffer =>
  generate({ cmd, messageId } as Packet, { protocolVersion: version });

test.each([4, 5] as const)(
  'acknowledgements go out in order of arrival (version %i)',
  (version) => {
    const { gate, written } = gateOver();
    for (const id of [1, 2, 3]) {
      gate.expect('puback', id);
      gate.write(ack('puback', id, version));
    }
    gate.settle('puback', 3);
    gate.settle('puback', 2);
    expect(written().length).toBe(0);
    gate.settle('puback', 1);
    expect(written()).toEqual(Buffer.concat([1, 2, 3].map((id) => ack('puback', id, version))));
  },
);

test('a settlement before its acknowledgement was written lets it pass', () => {
  const { gate, written } = gateOver();
  gate.expect('pubrec', 7);
  gate.settle('pubrec', 7);
  gate.write(ack('pubrec', 7));
  expect(written()).toEqual(ack('pubrec', 7));
});

test('a settlement inside another packet waits for its end', () => {
  const { gate, written } = gateOver();
  const packet = generate({
    cmd: 'publish',
    topic: 'a',
    payload: Buffer.alloc(300, 1),
    qos: 0,
    dup: false,
    retain: false,
  });
  gate.expect('puback', 1);
  gate.write(ack('puback', 1));
  gate.write(packet.subarray(0, 100));
  gate.settle('puback', 1);
  gate.write(packet.subarray(100));
  expect(written()).toEqual(Buffer.concat([packet, ack('puback', 1)]));
});

test('packets of any kind pass unchanged, however their bytes are cut', () => {
  const packet = fc.oneof(
    fc.uint8Array({ maxLength: 400 }).map((payload) =>
      generate({
        cmd: 'publish',
        topic: 'some/topic',
        payload: Buffer.from(payload),
        qos: 1,
        messageId: 5,
        dup: false,
        retain: false,
      }),
    ),
    fc.constant(generate({ cmd: 'pingreq' })),
    fc.integer({ min: 1, max: 65_535 }).map((id) => ack('puback', id)),
  );
  fc.assert(
    fc.property(fc.array(packet), fc.array(fc.integer({ min: 1, max: 50 })), (packets, cuts) => {
      const { gate, written } = gateOver();
      const bytes = Buffer.concat(packets);
      let at = 0;
      for (const cut of cuts) {
        gate.write(bytes.subarray(at, at + cut));
        at = Math.min(bytes.length, at + cut);
      }
      gate.write(bytes.subarray(at));
      expect(written().equals(bytes)).toBe(true);
    }),
  );
});
