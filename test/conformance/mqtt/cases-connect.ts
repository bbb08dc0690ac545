import { expect } from 'vitest';
import { both, type Case, casesOf, connectBytes, frame, type Ground, text } from './case.ts';

async function closesAfter(ground: Ground, bytes: readonly number[]): Promise<void> {
  const client = await ground.open();
  client.sendBytes(bytes);
  await client.ended;
  expect(client.bytes.length === 0 || client.connack.returnCode !== 0).toBe(true);
}

/** CONNECT, CONNACK, keep-alive and client identifiers. */
export const CONNECT_CASES: readonly Case[] = [
  ...casesOf('basic', [
    [
      both('MQTT-3.1.0-1'),
      'a packet before CONNECT closes the connection',
      (ground) => closesAfter(ground, [0xc0, 0]),
    ],
    [
      both('MQTT-3.1.0-2'),
      'a second CONNECT closes the connection',
      async (ground) => {
        const client = await ground.connect('twice');
        client.sendBytes(connectBytes(ground.version));
        const farewell = await client.farewell();
        if (ground.version === 5) expect(farewell?.reasonCode).toBe(0x82);
      },
    ],
    [
      both('MQTT-3.1.2-1'),
      'another protocol name is not served',
      (ground) => closesAfter(ground, connectBytes(ground.version, { name: 'hj' })),
    ],
    [
      { 4: 'MQTT-3.1.2-2' },
      'an unknown protocol level is answered with return code 1',
      async (ground) => {
        const client = await ground.open();
        client.sendBytes(connectBytes(4, { level: 99 }));
        await client.ended;
        expect([...client.bytes.subarray(0, 1)]).toEqual([0x20]);
        expect([...client.bytes].includes(1) || [...client.bytes].includes(0x84)).toBe(true);
      },
    ],
    [
      both('MQTT-3.1.2-3'),
      'the reserved connect flag must be 0',
      (ground) => closesAfter(ground, connectBytes(ground.version, { flags: 3 })),
    ],
    [
      { 4: 'MQTT-3.1.2-14', 5: 'MQTT-3.1.2-12' },
      'a will with QoS 3 is malformed',
      (ground) => {
        const will = [...(ground.version === 5 ? [0] : []), ...text('w'), ...text('x')];
        const payload = [...text('q3'), ...will];
        return closesAfter(ground, connectBytes(ground.version, { flags: 0x1e, payload }));
      },
    ],
    [
      { 4: 'MQTT-3.1.2-13', 5: 'MQTT-3.1.2-11' },
      'a will QoS without a will is malformed',
      (ground) => closesAfter(ground, connectBytes(ground.version, { flags: 0x0a })),
    ],
    [
      { 4: 'MQTT-3.1.2-15', 5: 'MQTT-3.1.2-13' },
      'a will retain flag without a will is malformed',
      (ground) => closesAfter(ground, connectBytes(ground.version, { flags: 0x22 })),
    ],
    [
      { 4: 'MQTT-3.1.2-22' },
      'a password without a user name is malformed',
      (ground) => {
        const payload = [...text('pw'), ...text('secret')];
        return closesAfter(ground, connectBytes(4, { flags: 0x42, payload }));
      },
    ],
    [
      both('MQTT-3.1.4-3'),
      'a second connection under a client id closes the first',
      async (ground) => {
        const first = await ground.connect('same');
        const second = await ground.connect('same');
        const farewell = await first.farewell();
        if (ground.version === 5) expect(farewell?.reasonCode).toBe(0x8e);
        await second.subscribe(ground.topic('a'));
      },
    ],
    [
      both('MQTT-3.1.4-5'),
      'packets sent behind CONNECT without waiting are processed in order',
      async (ground) => {
        const client = await ground.open();
        const topic = ground.topic('early');
        const version = ground.version === 5 ? [0] : [];
        const subscribe = frame(0x82, [0, 1, ...version, ...text(topic), 0]);
        const publish = frame(0x30, [...text(topic), ...version, 120]);
        client.sendBytes([...connectBytes(ground.version), ...subscribe, ...publish]);
        await client.take('connack');
        await client.take('suback');
        await client.message(topic);
      },
    ],
    [
      both('MQTT-3.2.2-1'),
      'a clean start finds no session',
      async (ground) => {
        const client = await ground.connect('clean');
        expect(client.connack.sessionPresent).toBe(false);
      },
    ],
  ]),
  ...casesOf('client identifiers', [
    [
      both('MQTT-3.1.3-6'),
      'a client id of zero bytes is served with a clean start',
      async (ground) => {
        const client = await ground.open();
        client.sendBytes(connectBytes(ground.version, { payload: [0, 0] }));
        const { returnCode, reasonCode } = await client.take('connack');
        expect(returnCode ?? reasonCode).toBe(0);
      },
    ],
    [
      { 4: 'MQTT-3.1.3-8' },
      'a client id of zero bytes without a clean session gets return code 2',
      async (ground) => {
        const client = await ground.open();
        client.sendBytes(connectBytes(4, { flags: 0, payload: [0, 0] }));
        expect((await client.take('connack')).returnCode).toBe(2);
        await client.ended;
      },
    ],
    [
      { 5: 'MQTT-3.2.2-16' },
      'an assigned client id is announced, and is not used by another',
      async (ground) => {
        const ids: unknown[] = [];
        for (const _ of [1, 2]) {
          const client = await ground.open();
          client.sendBytes(connectBytes(5, { payload: [0, 0] }));
          const { properties } = await client.take('connack');
          ids.push(properties?.assignedClientIdentifier);
        }
        expect(ids[0]).toMatch(/./);
        expect(ids[0]).not.toBe(ids[1]);
      },
    ],
    [
      both('MQTT-3.1.3-4'),
      'a client id that is not UTF-8 is not served',
      (ground) =>
        closesAfter(ground, connectBytes(ground.version, { payload: text([0xc3, 0x28]) })),
    ],
    [
      both('MQTT-3.1.3-5'),
      'a client id of 23 letters and digits is served',
      async (ground) => {
        const client = await ground.open();
        const id = `${process.pid}abcdefghijklmnopqrstuvwxyz`.slice(0, 23);
        client.sendBytes(connectBytes(ground.version, { payload: text(id) }));
        const { returnCode, reasonCode } = await client.take('connack');
        expect(returnCode ?? reasonCode).toBe(0);
      },
    ],
  ]),
  ...casesOf('keep-alive', [
    [
      both('MQTT-3.12.4-1'),
      'a PINGREQ is answered',
      async (ground) => {
        const client = await ground.connect('ping');
        client.send({ cmd: 'pingreq' });
        await client.take('pingresp');
      },
    ],
    [
      { 4: 'MQTT-3.1.2-24', 5: 'MQTT-3.1.2-22' },
      'a client that is silent for one and a half keep-alives is closed, its will published',
      async (ground) => {
        const topic = ground.topic('will');
        const reader = await ground.connect('reader');
        await reader.subscribe(topic);
        const will = { topic, payload: Buffer.from('late'), qos: 0, retain: false } as const;
        const silent = await ground.connect('silent', { connect: { keepalive: 1, will } });
        await reader.message(topic);
        const farewell = await silent.farewell();
        if (ground.version === 5) expect(farewell?.reasonCode).toBe(0x8d);
      },
    ],
    [
      both('3.1.2.10'),
      'any packet keeps a connection alive, a SUBSCRIBE too',
      async (ground) => {
        const client = await ground.connect('busy', { connect: { keepalive: 1 } });
        for (let turn = 0; turn < 5; turn += 1) {
          await new Promise((resolve) => setTimeout(resolve, 500));
          await client.subscribe(ground.topic(`t${turn}`));
        }
      },
    ],
    [
      { 5: 'MQTT-3.2.2-21' },
      'a keep-alive that the server does not want is replaced by its own',
      async (ground) => {
        const client = await ground.connect('patient', { connect: { keepalive: 120 } });
        expect(client.connack.properties?.serverKeepAlive).toBe(60);
      },
    ],
  ]),
  ...casesOf('connect options', [
    [
      { 5: 'MQTT-3.1.2-23' },
      'a Session Expiry Interval that comes twice is a protocol error',
      (ground) =>
        closesAfter(ground, connectBytes(5, { properties: [0x11, 0, 0, 0, 9, 0x11, 0, 0, 0, 9] })),
    ],
    [
      { 5: '3.1.2.11.3' },
      'a Receive Maximum of 0 is a protocol error',
      (ground) => closesAfter(ground, connectBytes(5, { properties: [0x21, 0, 0] })),
    ],
    [
      { 5: '3.1.2.11.4' },
      'a Maximum Packet Size of 0 is a protocol error',
      (ground) => closesAfter(ground, connectBytes(5, { properties: [0x27, 0, 0, 0, 0] })),
    ],
    [
      { 5: '3.1.2.11.6' },
      'Request Response Information that is neither 0 nor 1 is a protocol error',
      (ground) => closesAfter(ground, connectBytes(5, { properties: [0x19, 2] })),
    ],
    [
      { 5: '3.1.2.11.6' },
      'Response Information is given to a client that asks',
      async (ground) => {
        const properties = { requestResponseInformation: true };
        const client = await ground.connect('asks', { connect: { properties } });
        expect(client.connack.properties?.responseInformation).toMatch(/./);
      },
    ],
    [
      { 5: 'MQTT-3.1.2-28' },
      'Response Information is not given to a client that does not ask',
      async (ground) => {
        const client = await ground.connect('quiet');
        expect(client.connack.properties?.responseInformation).toBeUndefined();
      },
    ],
    [
      { 5: 'MQTT-4.12.0-1' },
      'an authentication method that is not served is refused with 0x8C',
      async (ground) => {
        const properties = { authenticationMethod: 'SCRAM' };
        const client = await ground.connect('auth', { connect: { properties } });
        expect(client.connack.reasonCode).toBe(0x8c);
        await client.ended;
      },
    ],
    [
      { 5: 'MQTT-3.1.2-2' },
      'a property that does not belong to CONNECT is a protocol error',
      (ground) => closesAfter(ground, connectBytes(5, { properties: [0x23, 0, 1] })),
    ],
  ]),
];
