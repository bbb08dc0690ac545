import type { ISubscription } from 'mqtt-packet';
import { expect } from 'vitest';
import { both, type Case, casesOf, frame, type Ground, text, textOf } from './case.ts';

type Options = Omit<ISubscription, 'topic'>;

async function filterIsRefused(ground: Ground, filter: string): Promise<void> {
  const client = await ground.connect('wild');
  const properties = ground.version === 5 ? [0] : [];
  client.sendBytes(frame(0x82, [0, 1, ...properties, ...text(filter), 0]));
  await client.ended;
  expect(client.bytes.includes(0x90)).toBe(false);
}

async function retainedOnce(ground: Ground, how: Options): Promise<readonly [number, number]> {
  const client = await ground.connect('handling');
  const topic = ground.topic('kept');
  const marker = ground.topic('marker');
  await client.publish({ topic, qos: 1, retain: true, payload: 'kept' });
  await client.subscribe([{ topic: marker, qos: 1 }]);
  const counts: number[] = [];
  for (const round of ['1', '2']) {
    await client.subscribe([{ topic, ...how }]);
    await client.publish({ topic: marker, qos: 1, payload: round });
    await client.message(marker);
    // A retained message may come behind the marker: it is given the time of another exchange.
    await client.subscribe([{ topic: ground.topic(`other${round}`), qos: 0 }]);
    await client.publish({ topic: marker, qos: 1, payload: round });
    await client.message(marker);
    counts.push(client.messages.filter((message) => message.topic === topic).length);
  }
  await client.publish({ topic, retain: true, qos: 1 });
  return [counts[0] ?? 0, (counts[1] ?? 0) - (counts[0] ?? 0)];
}

/** Filters, subscription options, retained messages and unsubscribing. */
export const SUBSCRIBE_CASES: readonly Case[] = [
  ...casesOf('$ topics', [
    [
      both('MQTT-4.7.2-1'),
      'a filter that begins with a wildcard takes no topic that begins with $',
      async (ground) => {
        const client = await ground.connect('dollar');
        await client.subscribe('#');
        await client.subscribe('+/#');
        await client.publish({ topic: `$${ground.topic('x')}`, qos: 1 });
        const marker = ground.topic('marker');
        await client.publish({ topic: marker, qos: 1 });
        await client.message(marker);
        expect(client.messages.some(({ topic }) => topic.startsWith('$'))).toBe(false);
      },
    ],
  ]),
  ...casesOf('filters', [
    ...(
      [
        ['a+', '4.7.1.3'],
        ['+a/b', '4.7.1.3'],
        ['a/b+', '4.7.1.3'],
        ['a#', '4.7.1.2'],
        ['a/#/b', '4.7.1.2'],
        ['a/b#', '4.7.1.2'],
        ['', 'MQTT-4.7.3-1'],
      ] as const
    ).map(
      ([filter, clause]) =>
        [
          both(clause),
          `the filter "${filter}" ends the connection`,
          (ground: Ground) => filterIsRefused(ground, filter),
        ] as const,
    ),
    [
      both('4.7.1.2'),
      'a/# takes a itself',
      async (ground) => {
        const client = await ground.connect('parent');
        await client.subscribe(`${ground.topic('a')}/#`);
        await client.publish({ topic: ground.topic('a'), qos: 1 });
        await client.message(ground.topic('a'));
      },
    ],
    [
      both('4.7.1.3'),
      'a plus takes one level, an empty one too',
      async (ground) => {
        const client = await ground.connect('plus');
        await client.subscribe(ground.topic('+/z'));
        await client.publish({ topic: ground.topic('a/b/z'), qos: 1 });
        await client.publish({ topic: ground.topic('/z'), qos: 1 });
        await client.message(ground.topic('/z'));
        expect(client.messages).toHaveLength(1);
      },
    ],
    [
      both('MQTT-4.7.3-4'),
      'topics are told apart by case',
      async (ground) => {
        const client = await ground.connect('case');
        await client.subscribe(ground.topic('a'));
        await client.publish({ topic: ground.topic('A'), qos: 1 });
        await client.publish({ topic: ground.topic('a'), qos: 1 });
        await client.message(ground.topic('a'));
        expect(client.messages).toHaveLength(1);
      },
    ],
  ]),
  ...casesOf('subscribe answers', [
    [
      { 4: 'MQTT-3.8.4-5', 5: 'MQTT-3.8.4-6' },
      'a SUBACK has a code per filter in their order, for one that stands there twice too',
      async (ground) => {
        const client = await ground.connect('many');
        const filter = (name: string, qos: 0 | 1 | 2) => ({ topic: ground.topic(name), qos });
        const list = [filter('2', 2), filter('1', 1), filter('x', 0), filter('2', 1)];
        const { granted } = await client.subscribe(list);
        expect(granted).toEqual([2, 1, 0, 1]);
      },
    ],
    [
      { 4: 'MQTT-3.8.4-3', 5: 'MQTT-3.8.4-3' },
      'a subscription to the same filter replaces the first',
      async (ground) => {
        const client = await ground.connect('replace');
        const topic = ground.topic('r');
        await client.subscribe([{ topic, qos: 2 }]);
        await client.subscribe([{ topic, qos: 0 }]);
        await client.publish({ topic, qos: 1 });
        expect((await client.message(topic)).qos).toBe(0);
      },
    ],
    [
      { 5: 'MQTT-4.8.2-1' },
      'a shared subscription is granted, or refused with 0x9E',
      async (ground) => {
        const client = await ground.connect('shared');
        const { granted } = await client.subscribe(`$share/group/${ground.topic('a')}`);
        const { sharedSubscriptionAvailable } = client.connack.properties ?? {};
        expect(granted[0]).toBe(sharedSubscriptionAvailable === false ? 0x9e : 2);
      },
    ],
    [
      { 5: '4.8.2' },
      'a message for a shared subscription goes to one of the group',
      async (ground) => {
        const readers = [await ground.connect('s1'), await ground.connect('s2')];
        const topic = ground.topic('a');
        for (const reader of readers) await reader.subscribe(`$share/group/${topic}`);
        const writer = await ground.connect('writer');
        for (let sent = 0; sent < 10; sent += 1) await writer.publish({ topic, qos: 1 });
        const marker = ground.topic('marker');
        for (const reader of readers) await reader.subscribe(marker);
        await writer.publish({ topic: marker, qos: 1 });
        for (const reader of readers) await reader.message(marker);
        const came = readers.flatMap(({ messages }) => messages);
        expect(came.filter((message) => message.topic === topic)).toHaveLength(10);
      },
    ],
    [
      { 5: 'MQTT-3.8.3-4' },
      'No Local on a shared subscription is a protocol error',
      async (ground) => {
        const client = await ground.connect('shared');
        client.sendBytes(frame(0x82, [0, 1, 0, ...text('$share/g/a'), 4]));
        expect((await client.farewell())?.reasonCode).toBe(0x82);
      },
    ],
    [
      { 4: 'MQTT-3.10.4-5', 5: 'MQTT-3.10.4-4' },
      'an UNSUBSCRIBE for a filter that is not there is answered',
      async (ground) => {
        const client = await ground.connect('none');
        const answer = await client.unsubscribe(ground.topic('none'));
        if (ground.version === 5) expect(answer.granted).toEqual([0x11]);
      },
    ],
    [
      { 4: 'MQTT-3.10.4-6', 5: 'MQTT-3.11.3-1' },
      'an UNSUBSCRIBE of several filters is answered once, and takes those away',
      async (ground) => {
        const client = await ground.connect('unsubscribe');
        const [a, b, c] = [ground.topic('a'), ground.topic('b'), ground.topic('c')];
        await client.subscribe([a, b, c].map((topic) => ({ topic, qos: 2 as const })));
        const answer = await client.unsubscribe(a, b);
        if (ground.version === 5) expect(answer.granted).toEqual([0, 0]);
        for (const topic of [a, b, c]) await client.publish({ topic, qos: 1 });
        await client.message(c);
        expect(client.messages).toHaveLength(1);
      },
    ],
  ]),
  ...casesOf('overlapping subscriptions', [
    [
      { 4: 'MQTT-3.3.5-1', 5: 'MQTT-3.3.4-2' },
      'a message for two subscriptions comes with the highest QoS of them',
      async (ground) => {
        const client = await ground.connect('overlap');
        const list = [ground.topic('#'), ground.topic('+')];
        await client.subscribe(list.map((topic, at) => ({ topic, qos: (2 - at) as 1 | 2 })));
        const topic = ground.topic('o');
        await client.publish({ topic, qos: 2 });
        // A server may send a copy per subscription, or one with the highest QoS.
        const came: number[] = [];
        while (!came.includes(2)) came.push((await client.message(topic)).qos);
        expect(came.filter((qos) => qos !== 2).length).toBeLessThan(2);
      },
    ],
    ...([0, 1] as const).map(
      (qos) =>
        [
          { 5: 'MQTT-3.3.4-4' },
          `a message of QoS ${qos} for two subscriptions names both of them`,
          async (ground: Ground) => {
            const client = await ground.connect('both');
            await client.subscribe(ground.topic('#'), { subscriptionIdentifier: 7 });
            await client.subscribe(ground.topic('+'), { subscriptionIdentifier: 300 });
            const topic = ground.topic('o');
            await client.publish({ topic, qos });
            await client.publish({ topic: ground.topic('marker'), qos });
            await client.message(ground.topic('marker'));
            const found = client.messages
              .filter((message) => message.topic === topic)
              .flatMap(({ properties }) => properties?.subscriptionIdentifier ?? []);
            expect(found.sort()).toEqual([300, 7]);
          },
        ] as const,
    ),
  ]),
  ...casesOf('subscription options', [
    [
      { 5: 'MQTT-3.3.4-3' },
      'a message names its subscription, and a retained one too',
      async (ground) => {
        const client = await ground.connect('named');
        const topic = ground.topic('n');
        await client.publish({ topic, qos: 1, retain: true, payload: 'kept' });
        await client.subscribe(topic, { subscriptionIdentifier: 268_435_455 });
        const kept = await client.message(topic);
        expect(kept.properties?.subscriptionIdentifier).toBe(268_435_455);
        await client.publish({ topic, qos: 2, payload: 'live' });
        const live = await client.message(topic);
        expect(live.properties?.subscriptionIdentifier).toBe(268_435_455);
        await client.publish({ topic, qos: 1, retain: true });
      },
    ],
    [
      { 5: 'MQTT-3.8.3-1' },
      'a Subscription Identifier of 0 is a protocol error',
      async (ground) => {
        const client = await ground.connect('zero');
        client.sendBytes(frame(0x82, [0, 1, 2, 0x0b, 0, ...text('t'), 0]));
        expect((await client.farewell())?.reasonCode).toBeGreaterThanOrEqual(0x80);
      },
    ],
    [
      { 5: 'MQTT-3.8.3-3' },
      'No Local keeps a client from its own messages, and nobody else',
      async (ground) => {
        const [one, two] = [await ground.connect('one'), await ground.connect('two')];
        const topic = ground.topic('l');
        const [mine, theirs] = [ground.topic('m1'), ground.topic('m2')];
        for (const [client, marker] of [[one, mine] as const, [two, theirs] as const]) {
          await client.subscribe([{ topic, qos: 2, nl: true }]);
          await client.subscribe(marker);
        }
        for (const qos of [0, 1, 2] as const) await one.publish({ topic, qos, payload: `${qos}` });
        await one.publish({ topic: mine, qos: 1 });
        await one.publish({ topic: theirs, qos: 1 });
        await one.message(mine);
        await two.message(theirs);
        expect(one.messages).toHaveLength(1);
        expect(two.messages).toHaveLength(4);
      },
    ],
    [
      { 5: 'MQTT-3.3.1-12' },
      'Retain As Published leaves the flag, and its absence clears it',
      async (ground) => {
        const [kept, cleared] = [await ground.connect('rap'), await ground.connect('plain')];
        const topic = ground.topic('p');
        await kept.subscribe([{ topic, qos: 1, rap: true }]);
        await cleared.subscribe([{ topic, qos: 1, rap: false }]);
        await kept.publish({ topic, qos: 1, payload: 'a' });
        await kept.publish({ topic, qos: 0, retain: true, payload: 'b' });
        const flags = [];
        for (const client of [kept, cleared]) {
          flags.push((await client.message(topic)).retain, (await client.message(topic)).retain);
        }
        expect(flags).toEqual([false, true, false, false]);
        await kept.publish({ topic, qos: 1, retain: true });
      },
    ],
    [
      { 5: 'MQTT-3.3.1-9' },
      'Retain Handling 0 sends retained messages at every subscription',
      async (ground) => expect(await retainedOnce(ground, { qos: 1, rh: 0 })).toEqual([1, 1]),
    ],
    [
      { 5: 'MQTT-3.3.1-10' },
      'Retain Handling 1 sends retained messages at the first subscription',
      async (ground) => expect(await retainedOnce(ground, { qos: 1, rh: 1 })).toEqual([1, 0]),
    ],
    [
      { 5: 'MQTT-3.3.1-11' },
      'Retain Handling 2 sends no retained message',
      async (ground) => expect(await retainedOnce(ground, { qos: 1, rh: 2 })).toEqual([0, 0]),
    ],
  ]),
  ...casesOf('retained', [
    [
      { 4: 'MQTT-3.3.1-6', 5: 'MQTT-3.3.1-5' },
      'a retained message comes to a later subscriber with its flag and at most the granted QoS',
      async (ground) => {
        const client = await ground.connect('later');
        for (const qos of [0, 1, 2] as const) {
          const topic = ground.topic(`r${qos}`);
          await client.publish({ topic, qos, retain: true, payload: `qos ${qos}` });
        }
        await client.subscribe([{ topic: ground.topic('+'), qos: 1 }]);
        for (const qos of [0, 1, 2] as const) {
          const message = await client.message(ground.topic(`r${qos}`));
          expect([message.retain, message.qos]).toEqual([true, Math.min(qos, 1)]);
        }
        for (const qos of [0, 1, 2] as const) {
          await client.publish({ topic: ground.topic(`r${qos}`), qos: 1, retain: true });
        }
      },
    ],
    [
      { 4: 'MQTT-3.3.1-11', 5: 'MQTT-3.3.1-6' },
      'an empty retained message removes the one before, and is not kept',
      async (ground) => {
        const client = await ground.connect('empty');
        const [topic, marker] = [ground.topic('r'), ground.topic('marker')];
        await client.publish({ topic, qos: 1, retain: true, payload: 'kept' });
        await client.publish({ topic, qos: 1, retain: true });
        await client.publish({ topic: marker, qos: 1, retain: true, payload: 'm' });
        await client.subscribe(ground.topic('+'));
        await client.message(marker);
        expect(client.messages).toHaveLength(1);
        await client.publish({ topic: marker, qos: 1, retain: true });
      },
    ],
    [
      { 4: 'MQTT-3.3.1-9', 5: 'MQTT-3.3.1-12' },
      'an established subscriber sees the retain flag cleared',
      async (ground) => {
        const client = await ground.connect('live');
        const topic = ground.topic('r');
        await client.subscribe(topic);
        await client.publish({ topic, qos: 1, retain: true, payload: 'x' });
        const message = await client.message(topic);
        expect([textOf(message), message.retain]).toEqual(['x', false]);
        await client.publish({ topic, qos: 1, retain: true });
      },
    ],
  ]),
];
