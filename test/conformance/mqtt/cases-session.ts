import { expect } from 'vitest';
import { both, type Case, casesOf, type Ground, textOf } from './case.ts';

function lasting(ground: Ground, clean: boolean): object {
  const properties = ground.version === 5 ? { properties: { sessionExpiryInterval: 60 } } : {};
  return { connect: { clean, ...properties } };
}

async function wakesWith(seconds: number | undefined, ground: Ground): Promise<boolean> {
  const properties = seconds === undefined ? {} : { sessionExpiryInterval: seconds };
  const first = await ground.connect('session', { connect: { properties } });
  await first.subscribe(ground.topic('s'));
  await first.leave();
  const second = await ground.connect('session', { connect: { clean: false, properties } });
  return second.connack.sessionPresent;
}

/** Sessions, offline queues, redelivery, wills, and the limits that a client sets. */
export const SESSION_CASES: readonly Case[] = [
  ...casesOf('session expiry', [
    [
      { 5: 'MQTT-3.1.2-23' },
      'a session without expiry ends with its connection',
      async (ground) => expect(await wakesWith(undefined, ground)).toBe(false),
    ],
    [
      { 5: '3.1.2.11.2' },
      'a session with an interval is there at the next connection',
      async (ground) => expect(await wakesWith(60, ground)).toBe(true),
    ],
    [
      { 5: '3.1.2.11.2' },
      'a session ends when its interval is over',
      async (ground) => {
        const properties = { sessionExpiryInterval: 1 };
        const first = await ground.connect('short', { connect: { properties } });
        await first.subscribe(ground.topic('s'));
        await first.leave();
        await new Promise((resolve) => setTimeout(resolve, 2_500));
        const second = await ground.connect('short', { connect: { clean: false } });
        expect(second.connack.sessionPresent).toBe(false);
      },
    ],
    [
      { 5: '3.14.2.2.2' },
      'a DISCONNECT can change the interval, and end the session',
      async (ground) => {
        const properties = { sessionExpiryInterval: 1 };
        const first = await ground.connect('longer', { connect: { properties } });
        await first.subscribe(ground.topic('s'));
        await first.leave({ sessionExpiryInterval: 60 });
        await new Promise((resolve) => setTimeout(resolve, 1_600));
        const second = await ground.connect('longer', { connect: { clean: false, properties } });
        expect(second.connack.sessionPresent).toBe(true);
        await second.leave({ sessionExpiryInterval: 0 });
        const third = await ground.connect('longer', { connect: { clean: false, properties } });
        expect(third.connack.sessionPresent).toBe(false);
      },
    ],
    [
      { 5: 'MQTT-3.14.2-2' },
      'a DISCONNECT cannot make a session last that was to end',
      async (ground) => {
        const client = await ground.connect('late');
        const properties = { sessionExpiryInterval: 60 };
        client.send({ cmd: 'disconnect', reasonCode: 0, properties });
        expect((await client.farewell())?.reasonCode).toBe(0x82);
      },
    ],
    [
      { 4: 'MQTT-3.1.2-6', 5: 'MQTT-3.1.2-4' },
      'a clean start throws away subscriptions and what waits',
      async (ground) => {
        const topic = ground.topic('s');
        const first = await ground.connect('reset', lasting(ground, false));
        await first.subscribe(topic);
        await first.leave();
        const writer = await ground.connect('writer');
        await writer.publish({ topic, qos: 1, payload: 'old' });
        const second = await ground.connect('reset', lasting(ground, true));
        expect(second.connack.sessionPresent).toBe(false);
        await second.leave();
        const third = await ground.connect('reset', lasting(ground, false));
        const marker = ground.topic('marker');
        await third.subscribe(marker);
        await writer.publish({ topic: marker, qos: 1 });
        await third.message(marker);
        expect(third.messages).toHaveLength(1);
      },
    ],
  ]),
  ...casesOf('offline queueing', [
    [
      { 4: 'MQTT-3.1.2-5', 5: '4.5.0-1' },
      'messages of QoS 1 and 2 wait for an absent client, in order',
      async (ground) => {
        const first = await ground.connect('away', lasting(ground, false));
        await first.subscribe(ground.topic('+'));
        await first.leave();
        const writer = await ground.connect('writer');
        for (const qos of [0, 1, 2] as const) {
          await writer.publish({ topic: ground.topic('q'), qos, payload: `${qos}` });
        }
        const second = await ground.connect('away', lasting(ground, false));
        expect(second.connack.sessionPresent).toBe(true);
        const marker = ground.topic('marker');
        await writer.publish({ topic: marker, qos: 2 });
        await second.message(marker);
        const came = second.messages.map(textOf).filter((payload) => payload !== '');
        expect(came.filter((payload) => payload !== '0')).toEqual(['1', '2']);
      },
    ],
  ]),
  ...casesOf('redelivery on reconnect', [
    [
      both('MQTT-4.4.0-1'),
      'messages that were not acknowledged come again under their identifiers, marked',
      async (ground) => {
        const how = { ...lasting(ground, false), acks: 'by hand' as const };
        const first = await ground.connect('again', how);
        await first.subscribe(ground.topic('+'));
        const writer = await ground.connect('writer');
        await writer.publish({ topic: ground.topic('one'), qos: 1 });
        await writer.publish({ topic: ground.topic('two'), qos: 2 });
        const before = [await first.message(ground.topic('one'))];
        before.push(await first.message(ground.topic('two')));
        first.cut();
        const second = await ground.connect('again', lasting(ground, false));
        for (const { topic, messageId } of before) {
          const message = await second.message(topic);
          expect([message.messageId, message.dup]).toEqual([messageId, true]);
        }
      },
    ],
    [
      both('MQTT-4.4.0-1'),
      'a PUBREL that was not answered comes again',
      async (ground) => {
        const how = { ...lasting(ground, false), acks: 'by hand' as const };
        const topic = ground.topic('two');
        const first = await ground.connect('release', how);
        await first.subscribe(topic);
        const writer = await ground.connect('writer');
        await writer.publish({ topic, qos: 2 });
        const { messageId = 0 } = await first.message(topic);
        first.send({ cmd: 'pubrec', messageId });
        await first.take('pubrel');
        first.cut();
        const second = await ground.connect('release', how);
        expect((await second.take('pubrel')).messageId).toBe(messageId);
        expect(second.messages).toEqual([]);
      },
    ],
    [
      both('MQTT-4.3.3-10'),
      'a QoS 2 exchange that was open is not forgotten by a new connection',
      async (ground) => {
        const topic = ground.topic('two');
        const reader = await ground.connect('reader');
        await reader.subscribe(topic);
        const first = await ground.connect('exact', lasting(ground, false));
        const packet = { cmd: 'publish', topic, payload: 'x', qos: 2, retain: false } as const;
        first.send({ ...packet, messageId: 5, dup: false });
        await first.take('pubrec');
        first.cut();
        const second = await ground.connect('exact', lasting(ground, false));
        second.send({ ...packet, messageId: 5, dup: true });
        await second.take('pubrec');
        second.send({ cmd: 'pubrel', messageId: 5 });
        await second.take('pubcomp');
        await second.publish({ topic, qos: 2, payload: 'next' });
        expect(textOf(await reader.message(topic))).toBe('x');
        expect(textOf(await reader.message(topic))).toBe('next');
      },
    ],
    [
      { 4: 'MQTT-3.1.2-6', 5: 'MQTT-3.1.2-4' },
      'a clean start forgets an open QoS 2 exchange: a new message under its identifier arrives',
      async (ground) => {
        const topic = ground.topic('two');
        const reader = await ground.connect('reader');
        await reader.subscribe(topic);
        const first = await ground.connect('fresh', lasting(ground, true));
        const packet = { cmd: 'publish', topic, qos: 2, dup: false, retain: false } as const;
        first.send({ ...packet, messageId: 5, payload: 'first' });
        await first.take('pubrec');
        first.cut();
        const second = await ground.connect('fresh', lasting(ground, true));
        second.send({ ...packet, messageId: 5, payload: 'second' });
        await second.take('pubrec');
        second.send({ cmd: 'pubrel', messageId: 5 });
        await second.publish({ topic, qos: 2, payload: 'third' });
        const came = [textOf(await reader.message(topic))];
        while (came.at(-1) !== 'third') came.push(textOf(await reader.message(topic)));
        // A server may route the message at its PUBLISH, or at its PUBREL.
        expect(came.slice(-2)).toEqual(['second', 'third']);
      },
    ],
  ]),
  ...casesOf('will', [
    [
      { 4: 'MQTT-3.1.2-8', 5: 'MQTT-3.1.2-8' },
      'a will is published when the connection breaks',
      async (ground) => {
        const topic = ground.topic('w');
        const reader = await ground.connect('reader');
        await reader.subscribe(topic);
        const will = { topic, payload: Buffer.from('gone'), qos: 2, retain: false } as const;
        const client = await ground.connect('mortal', { connect: { will } });
        client.cut();
        const message = await reader.message(topic);
        expect([textOf(message), message.qos]).toEqual(['gone', 2]);
      },
    ],
    [
      { 4: 'MQTT-3.1.2-10', 5: 'MQTT-3.14.4-3' },
      'a will is not published after DISCONNECT',
      async (ground) => {
        const [topic, marker] = [ground.topic('w'), ground.topic('marker')];
        const reader = await ground.connect('reader');
        await reader.subscribe(ground.topic('+'));
        const will = { topic, payload: Buffer.from('gone'), qos: 1, retain: false } as const;
        const client = await ground.connect('polite', { connect: { will } });
        await client.leave();
        await reader.publish({ topic: marker, qos: 1 });
        await reader.message(marker);
        expect(reader.messages).toHaveLength(1);
      },
    ],
    ...([0x04, 0x80] as const).map(
      (reasonCode) =>
        [
          { 5: '3.1.2.5' },
          `a will is published after DISCONNECT with 0x${reasonCode.toString(16)}`,
          async (ground: Ground) => {
            const topic = ground.topic('w');
            const reader = await ground.connect('reader');
            await reader.subscribe(topic);
            const will = { topic, payload: Buffer.from('gone'), qos: 1, retain: false } as const;
            const client = await ground.connect('willing', { connect: { will } });
            client.send({ cmd: 'disconnect', reasonCode });
            await reader.message(topic);
          },
        ] as const,
    ),
    [
      both('MQTT-3.1.2-17'),
      'a will with the retain flag is kept',
      async (ground) => {
        const topic = ground.topic('w');
        const reader = await ground.connect('reader');
        await reader.subscribe(topic);
        const will = { topic, payload: Buffer.from('gone'), qos: 1, retain: true } as const;
        const client = await ground.connect('kept', { connect: { will } });
        client.cut();
        await reader.message(topic);
        const later = await ground.connect('later');
        await later.subscribe(topic);
        expect((await later.message(topic)).retain).toBe(true);
        await later.publish({ topic, qos: 1, retain: true });
      },
    ],
    [
      { 5: '3.1.3.2.2' },
      'a will waits for its delay, and its interval does not travel',
      async (ground) => {
        const topic = ground.topic('w');
        const reader = await ground.connect('reader');
        await reader.subscribe(topic);
        const properties = { willDelayInterval: 1, contentType: 'text/plain' };
        const will = { topic, payload: Buffer.from('x'), qos: 1, retain: false, properties };
        const client = await ground.connect('slow', {
          connect: { will: will as never, properties: { sessionExpiryInterval: 30 } },
        });
        const started = performance.now();
        client.cut();
        const message = await reader.message(topic);
        expect(performance.now() - started).toBeGreaterThan(900);
        expect(message.properties).toEqual({ contentType: 'text/plain' });
      },
    ],
    [
      { 5: 'MQTT-3.1.3-9' },
      'a client that is back within the delay takes its will away',
      async (ground) => {
        const [topic, marker] = [ground.topic('w'), ground.topic('marker')];
        const reader = await ground.connect('reader');
        await reader.subscribe(ground.topic('+'));
        const will = { topic, payload: Buffer.from('x'), qos: 1, retain: false } as const;
        const first = await ground.connect('back', {
          connect: {
            will: { ...will, properties: { willDelayInterval: 1 } },
            properties: { sessionExpiryInterval: 30 },
          },
        });
        first.cut();
        const properties = { sessionExpiryInterval: 30 };
        await ground.connect('back', { connect: { clean: false, properties } });
        await new Promise((resolve) => setTimeout(resolve, 1_500));
        await reader.publish({ topic: marker, qos: 1 });
        await reader.message(marker);
        expect(reader.messages).toHaveLength(1);
      },
    ],
    [
      { 5: '3.1.3.2.2' },
      'a will does not wait longer than its session lasts',
      async (ground) => {
        const topic = ground.topic('w');
        const reader = await ground.connect('reader');
        await reader.subscribe(topic);
        const properties = { willDelayInterval: 60 };
        const will = { topic, payload: Buffer.from('x'), qos: 1, retain: false, properties };
        const client = await ground.connect('ends', { connect: { will: will as never } });
        client.cut();
        await reader.message(topic);
      },
    ],
  ]),
  ...casesOf('flow control', [
    [
      { 5: 'MQTT-3.3.4-9' },
      'no more messages than Receive Maximum are on their way',
      async (ground) => {
        const properties = { receiveMaximum: 2 };
        const reader = await ground.connect('slow', { acks: 'by hand', connect: { properties } });
        await reader.subscribe(ground.topic('+'));
        const writer = await ground.connect('writer');
        const topic = (at: number) => ground.topic(`${at}`);
        for (const at of [1, 2, 3, 4]) await writer.publish({ topic: topic(at), qos: 2 });
        // QoS 0 does not count, and passes what waits.
        await writer.publish({ topic: ground.topic('zero') });
        await reader.message(ground.topic('zero'));
        expect(reader.messages).toHaveLength(3);
        const first = await reader.message(topic(1));
        reader.send({ cmd: 'pubrec', messageId: first.messageId ?? 0 });
        await reader.take('pubrel');
        await writer.publish({ topic: ground.topic('zero') });
        await reader.message(ground.topic('zero'));
        expect(reader.messages).toHaveLength(4);
        reader.send({ cmd: 'pubcomp', messageId: first.messageId ?? 0 });
        await reader.message(topic(3));
      },
    ],
    [
      { 5: 'MQTT-3.3.4-7' },
      'a client that sends more than the announced Receive Maximum is told 0x93',
      async (ground) => {
        const client = await ground.connect('flood', { acks: 'by hand' });
        const most = client.connack.properties?.receiveMaximum ?? 65_535;
        const topic = ground.topic('f');
        for (let messageId = 1; messageId <= Math.min(most + 1, 65_535); messageId += 1) {
          const packet = { cmd: 'publish', topic, payload: '', qos: 2, dup: false } as const;
          client.send({ ...packet, retain: false, messageId });
        }
        expect((await client.farewell())?.reasonCode).toBe(0x93);
      },
    ],
  ]),
  ...casesOf('maximum packet size', [
    ...([0, 1, 2] as const).map(
      (qos) =>
        [
          { 5: 'MQTT-3.1.2-25' },
          `a message of QoS ${qos} that is too large is left out, the next one comes`,
          async (ground: Ground) => {
            const properties = { maximumPacketSize: 100 };
            const reader = await ground.connect('small', { connect: { properties } });
            const topic = ground.topic('m');
            await reader.subscribe(topic);
            const writer = await ground.connect('writer');
            await writer.publish({ topic, qos, payload: 'x'.repeat(200) });
            await writer.publish({ topic, qos, payload: 'small' });
            expect(textOf(await reader.message(topic))).toBe('small');
          },
        ] as const,
    ),
    [
      { 5: 'MQTT-3.2.2-15' },
      'a packet above what the server announced is refused with 0x95',
      async (ground) => {
        const client = await ground.connect('huge');
        const most = client.connack.properties?.maximumPacketSize ?? 268_435_455;
        const length = most + 1;
        const bytes = [0, 7, 14, 21].map(
          (shift, at) => ((length >> shift) & 0x7f) | (at < 3 ? 0x80 : 0),
        );
        client.sendBytes([0x30, ...bytes, 0, 1, 97]);
        expect((await client.farewell())?.reasonCode).toBe(0x95);
      },
    ],
  ]),
];
