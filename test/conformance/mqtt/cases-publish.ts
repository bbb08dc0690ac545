import { expect } from 'vitest';
import { both, type Case, casesOf, frame, type Ground, text, textOf } from './case.ts';

/** Publishing, delivery, topic aliases and the properties that travel with a message. */
export const PUBLISH_CASES: readonly Case[] = [
  ...casesOf('basic', [
    [
      both('MQTT-4.3.3-2'),
      'messages of QoS 0, 1 and 2 come back to a subscriber of QoS 2 as they are',
      async (ground) => {
        const client = await ground.connect('all');
        const topic = ground.topic('a');
        await client.subscribe(topic);
        for (const qos of [0, 1, 2] as const) {
          await client.publish({ topic, qos, payload: `qos ${qos}` });
          const message = await client.message(topic);
          expect([message.qos, textOf(message), message.dup]).toEqual([qos, `qos ${qos}`, false]);
        }
      },
    ],
    [
      { 4: 'MQTT-3.8.4-6', 5: 'MQTT-3.8.4-8' },
      'a message goes out with at most the granted QoS, behind a wildcard too',
      async (ground) => {
        const client = await ground.connect('low');
        await client.subscribe([{ topic: ground.topic('+'), qos: 1 }]);
        const topic = ground.topic('b');
        await client.publish({ topic, qos: 2 });
        expect((await client.message(topic)).qos).toBe(1);
      },
    ],
    [
      { 4: 'MQTT-3.3.1-3', 5: 'MQTT-3.3.1-3' },
      'the DUP flag of a publisher does not go on',
      async (ground) => {
        const client = await ground.connect('dup');
        const topic = ground.topic('d');
        await client.subscribe(topic);
        await client.publish({ topic, qos: 1, dup: true });
        expect((await client.message(topic)).dup).toBe(false);
      },
    ],
    [
      { 4: 'MQTT-4.6.0-6', 5: 'MQTT-4.6.0-6' },
      'messages of one publisher on one topic stay in order',
      async (ground) => {
        const client = await ground.connect('order');
        const topic = ground.topic('o');
        await client.subscribe(topic);
        const sent = Array.from({ length: 50 }, (_, index) => `${index}`);
        await Promise.all(sent.map((payload) => client.publish({ topic, qos: 1, payload })));
        const came: string[] = [];
        for (const _ of sent) came.push(textOf(await client.message(topic)));
        expect(came).toEqual(sent);
      },
    ],
    [
      both('MQTT-4.3.3-10'),
      'a QoS 2 message that is sent again before its PUBREL arrives once',
      async (ground) => {
        const client = await ground.connect('exact');
        const topic = ground.topic('x');
        await client.subscribe(topic);
        const packet = { cmd: 'publish', topic, qos: 2, retain: false, messageId: 77 } as const;
        client.send({ ...packet, payload: 'once', dup: false });
        await client.take('pubrec');
        client.send({ ...packet, payload: 'once', dup: true });
        await client.take('pubrec');
        client.send({ cmd: 'pubrel', messageId: 77 });
        await client.take('pubcomp');
        await client.publish({ topic, qos: 2, payload: 'after' });
        expect(textOf(await client.message(topic))).toBe('once');
        expect(textOf(await client.message(topic))).toBe('after');
      },
    ],
    [
      { 5: '3.7.2.1' },
      'a PUBREC for an identifier that is not in use gets a PUBREL with 0x92',
      async (ground) => {
        const client = await ground.connect('lost');
        client.send({ cmd: 'pubrec', messageId: 999, reasonCode: 0 });
        expect((await client.take('pubrel')).reasonCode).toBe(0x92);
      },
    ],
    [
      { 4: '1.5.3', 5: 'MQTT-1.5.4-3' },
      'a byte order mark in a topic stays',
      async (ground) => {
        const client = await ground.connect('bom');
        const topic = ground.topic('\ufeffbom');
        await client.subscribe(topic);
        await client.publish({ topic });
        expect((await client.message(topic)).topic).toBe(topic);
      },
    ],
    [
      both('4.7.3'),
      'a topic may begin with a slash and have empty levels',
      async (ground) => {
        const client = await ground.connect('slash');
        const topic = `/${ground.topic('/')}/`;
        await client.subscribe(topic);
        await client.publish({ topic });
        await client.message(topic);
      },
    ],
    [
      both('4.3.1'),
      'a message of 300 KiB goes through whole',
      async (ground) => {
        const client = await ground.connect('big');
        const topic = ground.topic('big');
        const payload = Buffer.alloc(300 * 1024, 'ab');
        await client.subscribe(topic);
        await client.publish({ topic, qos: 1, payload });
        expect(payload.equals((await client.message(topic)).payload as Buffer)).toBe(true);
      },
    ],
  ]),
  ...casesOf('topic aliases', [
    [
      { 5: 'MQTT-3.3.2-12' },
      'an alias stands for its topic, and can be given to another',
      async (ground) => {
        const client = await ground.connect('alias');
        expect(client.connack.properties?.topicAliasMaximum).toBeGreaterThan(0);
        await client.subscribe(ground.topic('#'));
        const [one, two] = [ground.topic('one'), ground.topic('two')];
        const properties = { topicAlias: 1 };
        await client.publish({ topic: one, qos: 1, properties });
        await client.publish({ topic: '', qos: 1, properties });
        await client.publish({ topic: two, qos: 1, properties });
        await client.publish({ topic: '', qos: 1, properties });
        for (const topic of [one, one, two, two]) {
          const message = await client.message(topic);
          expect(message.properties?.topicAlias).toBeUndefined();
        }
      },
    ],
    [
      { 5: 'MQTT-3.3.2-8' },
      'an alias of 0 is refused with 0x94',
      async (ground) => {
        const client = await ground.connect('zero');
        client.sendBytes(frame(0x30, [...text('t'), 3, 0x23, 0, 0]));
        expect((await client.farewell())?.reasonCode).toBe(0x94);
      },
    ],
    [
      { 5: 'MQTT-3.3.2-9' },
      'an alias above the announced maximum is refused with 0x94',
      async (ground) => {
        const client = await ground.connect('high');
        client.sendBytes(frame(0x30, [...text('t'), 3, 0x23, 0xff, 0xff]));
        expect((await client.farewell())?.reasonCode).toBe(0x94);
      },
    ],
    [
      { 5: '3.3.2.3.4' },
      'an alias that stands for nothing ends the connection',
      async (ground) => {
        const client = await ground.connect('nothing');
        client.sendBytes(frame(0x30, [0, 0, 3, 0x23, 0, 2]));
        expect((await client.farewell())?.reasonCode).toBeGreaterThanOrEqual(0x80);
      },
    ],
    [
      { 5: '3.3.2.3.4' },
      'aliases end with their connection',
      async (ground) => {
        const first = await ground.connect('again');
        await first.publish({ topic: ground.topic('t'), qos: 1, properties: { topicAlias: 1 } });
        await first.leave();
        const second = await ground.connect('again');
        second.sendBytes(frame(0x30, [0, 0, 3, 0x23, 0, 1]));
        expect((await second.farewell())?.reasonCode).toBeGreaterThanOrEqual(0x80);
      },
    ],
    [
      { 5: 'MQTT-3.1.2-26' },
      'a client without Topic Alias Maximum gets no alias',
      async (ground) => {
        const client = await ground.connect('plain');
        const topic = ground.topic('t');
        await client.subscribe(topic);
        for (const _ of [1, 2]) await client.publish({ topic });
        expect((await client.message(topic)).properties?.topicAlias).toBeUndefined();
        expect((await client.message(topic)).topic).toBe(topic);
      },
    ],
    [
      { 5: '3.1.2.11.5' },
      'a client with a Topic Alias Maximum gets a topic by its number the second time',
      async (ground) => {
        const properties = { topicAliasMaximum: 4 };
        const client = await ground.connect('aliased', { connect: { properties } });
        const topic = ground.topic('t');
        await client.subscribe(topic);
        for (const _ of [1, 2]) await client.publish({ topic });
        const first = await client.message(topic);
        const alias = first.properties?.topicAlias ?? 0;
        expect(alias).toBeGreaterThanOrEqual(1);
        expect(alias).toBeLessThanOrEqual(4);
        expect((await client.message('')).properties?.topicAlias).toBe(alias);
      },
    ],
  ]),
  ...casesOf('properties', [
    [
      { 5: 'MQTT-3.3.2-17' },
      'user properties go on in QoS 0, 1 and 2',
      async (ground) => {
        const client = await ground.connect('user');
        const topic = ground.topic('u');
        await client.subscribe(topic);
        const properties = { userProperties: { a: '2', c: '3' } };
        for (const qos of [0, 1, 2] as const) {
          await client.publish({ topic, qos, properties });
          const message = await client.message(topic);
          expect({ ...message.properties?.userProperties }).toEqual({ a: '2', c: '3' });
        }
      },
    ],
    ...([0, 1] as const).map(
      (qos) =>
        [
          { 5: 'MQTT-3.3.2-18' },
          `user properties keep their order at QoS ${qos}, repeated and numeric names too`,
          async (ground: Ground) => {
            const client = await ground.connect('ordered');
            const topic = ground.topic('u');
            await client.subscribe([{ topic, qos }]);
            const pairs = [...'b1a2b39847'].flatMap((name) => [0x26, ...text(name), ...text('v')]);
            const id = qos > 0 ? [0, 9] : [];
            const body = [...text(topic), ...id, pairs.length, ...pairs];
            client.sendBytes(frame(0x30 | (qos << 1), body));
            await client.message(topic);
            expect(client.bytes.includes(Buffer.from(pairs))).toBe(true);
          },
        ] as const,
    ),
    [
      { 5: 'MQTT-3.3.2-4' },
      'Payload Format Indicator and Content Type go on',
      async (ground) => {
        const client = await ground.connect('format');
        const topic = ground.topic('f');
        await client.subscribe(topic);
        const properties = { payloadFormatIndicator: true, contentType: 'My name' };
        for (const qos of [0, 1, 2] as const) {
          await client.publish({ topic, qos, properties, payload: 'ä' });
          expect((await client.message(topic)).properties).toMatchObject(properties);
        }
      },
    ],
    [
      { 5: '3.3.2.3.2' },
      'a payload that is not the UTF-8 it says is refused with 0x99',
      async (ground) => {
        const client = await ground.connect('lies');
        const properties = { payloadFormatIndicator: true };
        const payload = Buffer.from([0xff, 0xfe]);
        const topic = ground.topic('f');
        const answer = await client.publish({ topic, qos: 1, properties, payload });
        expect(answer).toMatchObject({ reasonCode: 0x99 });
      },
    ],
    [
      { 5: 'MQTT-3.3.2-15' },
      'Response Topic and Correlation Data carry a request and its answer',
      async (ground) => {
        const [asker, answerer] = [await ground.connect('asks'), await ground.connect('knows')];
        const [request, reply] = [ground.topic('request'), ground.topic('reply')];
        await asker.subscribe(reply);
        await answerer.subscribe(request);
        const correlationData = Buffer.from([0, 255, 7]);
        const properties = { responseTopic: reply, correlationData };
        await asker.publish({ topic: request, qos: 1, properties });
        const question = (await answerer.message(request)).properties;
        expect(question?.responseTopic).toBe(reply);
        await answerer.publish({
          topic: question?.responseTopic ?? '',
          qos: 1,
          properties: { correlationData: question?.correlationData ?? Buffer.alloc(0) },
        });
        const answer = (await asker.message(reply)).properties;
        expect([...(answer?.correlationData ?? [])]).toEqual([0, 255, 7]);
      },
    ],
    [
      { 5: 'MQTT-3.3.2-14' },
      'a Response Topic with a wildcard is a protocol error',
      async (ground) => {
        const client = await ground.connect('wild');
        const topic = ground.topic('r');
        client.send({
          ...{ cmd: 'publish', topic, payload: '', qos: 0, dup: false, retain: false },
          properties: { responseTopic: 'a/+' },
        });
        expect((await client.farewell())?.reasonCode).toBeGreaterThanOrEqual(0x80);
      },
    ],
    [
      { 5: 'MQTT-3.3.4-6' },
      'a client that publishes with a Subscription Identifier breaks the protocol',
      async (ground) => {
        const client = await ground.connect('marked');
        client.sendBytes(frame(0x30, [...text('t'), 2, 0x0b, 1]));
        expect((await client.farewell())?.reasonCode).toBeGreaterThanOrEqual(0x80);
      },
    ],
  ]),
  ...casesOf('publication expiry', [
    [
      { 5: 'MQTT-3.3.2-5' },
      'a message that waits too long is not delivered, another comes with what is left',
      async (ground) => {
        const topic = ground.topic('e');
        const properties = { sessionExpiryInterval: 60 };
        const first = await ground.connect('reader', { connect: { properties } });
        await first.subscribe(topic);
        await first.leave();
        const writer = await ground.connect('writer');
        const send = (payload: string, messageExpiryInterval: number) =>
          writer.publish({ topic, qos: 1, payload, properties: { messageExpiryInterval } });
        await send('short', 1);
        await send('long', 30);
        await new Promise((resolve) => setTimeout(resolve, 2_100));
        const again = await ground.connect('reader', { connect: { clean: false, properties } });
        const message = await again.message(topic);
        expect(textOf(message)).toBe('long');
        const left = message.properties?.messageExpiryInterval;
        expect(left).toBeLessThan(30);
        expect(left).toBeGreaterThan(20);
      },
    ],
    [
      { 5: 'MQTT-3.3.2-6' },
      'a message that does not wait keeps its interval',
      async (ground) => {
        const client = await ground.connect('fast');
        const topic = ground.topic('e');
        await client.subscribe(topic);
        await client.publish({ topic, properties: { messageExpiryInterval: 30 } });
        expect((await client.message(topic)).properties?.messageExpiryInterval).toBe(30);
      },
    ],
  ]),
];
