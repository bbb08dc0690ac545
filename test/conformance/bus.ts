import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Bus, Message, MessageProperties } from '../../src/bus/bus.ts';
import { createInbox } from '../harness/inbox.ts';

/** How a suite gets the bus it tests, and what that bus can do. */
export interface BusCase {
  readonly open: () => Promise<{ readonly bus: Bus; readonly close: () => Promise<void> }>;
  /** MQTT 3.1.1 carries none. */
  readonly properties: 'kept' | 'absent';
}

const QOS = [0, 1, 2] as const;

const ALL_PROPERTIES: MessageProperties = {
  contentType: 'application/json',
  responseTopic: 'answers/here',
  correlationData: Uint8Array.from([0, 1, 254, 255]),
  messageExpiryInterval: 600,
  payloadFormatIndicator: true,
  userProperties: { one: 'first', many: ['second', 'third'] },
};

/** What every bus keeps to, run by each of them. */
export function describeBus(title: string, { open, properties }: BusCase): void {
  describe(title, () => {
    let bus: Bus;
    let close: () => Promise<void>;
    beforeEach(async () => {
      ({ bus, close } = await open());
    });
    afterEach(() => close());

    test('a new bus is online, and its address has no credentials', () => {
      expect(bus.state).toBe('online');
      expect(bus.address).toMatch(/^(mqtt|ws)s?:\/\/[^@]+:\d+/);
    });
    describeDelivery(() => bus);
    describeHandlers(() => bus);
    describeRetained(() => bus);
    describeProperties(() => bus, properties);
    describeSettling(() => bus);
    describeRefusals(() => bus);
    describeEnd(() => bus);
  });
}

function describeDelivery(bus: () => Bus): void {
  for (const published of QOS) {
    for (const asked of QOS) {
      test(`a message of QoS ${published} reaches a QoS ${asked} subscription once`, async () => {
        const inbox = createInbox();
        await bus().subscribe('room/+', { qos: asked }, inbox.handler);
        await bus().publish(message('room/a', 'first', { qos: published }));
        await bus().publish(message('room/b', 'last', { qos: published }));
        await inbox.count(2);
        expect(inbox.texts).toEqual(['first', 'last']);
        const qos = Math.min(published, asked);
        expect(inbox.messages.map((got) => [got.topic, got.qos, got.retain])).toEqual([
          ['room/a', qos, false],
          ['room/b', qos, false],
        ]);
      });
    }
  }

  const filters: ReadonlyArray<[string, readonly string[]]> = [
    ['t/a', ['t/a']],
    ['t/+', ['t/a', 't/b', 't/']],
    ['t/+/c', ['t/a/c', 't//c']],
    ['t/#', ['t', 't/a', 't/b', 't/', 't/a/c', 't//c']],
    ['+/a', ['t/a', '/a']],
    ['/+', ['/a']],
  ];
  const topics = ['t', 't/a', 't/b', 't/', 't/a/c', 't//c', '/a'];
  test.each(filters)('filter %s takes its topics and no other', async (filter, expected) => {
    const inbox = createInbox();
    const last = createInbox();
    await bus().subscribe(filter, { qos: 1 }, inbox.handler);
    await bus().subscribe('end', { qos: 1 }, last.handler);
    for (const topic of topics) await bus().publish(message(topic, topic, { qos: 1 }));
    await bus().publish(message('end', 'end', { qos: 1 }));
    await last.count(1);
    expect(inbox.texts).toEqual(expected);
  });

  for (const qos of QOS) {
    test(`200 messages of QoS ${qos} published at once come in their order`, async () => {
      const inbox = createInbox();
      await bus().subscribe('order/#', { qos }, inbox.handler);
      const wanted = Array.from({ length: 200 }, (_, at) => `${at}`);
      await Promise.all(wanted.map((text) => bus().publish(message('order/a', text, { qos }))));
      await inbox.count(200);
      expect(inbox.texts).toEqual(wanted);
    });
  }

  test.each([0, 1, 65_536, 1_048_576])('a payload of %i bytes comes whole', async (bytes) => {
    const payload = randomBytes(bytes);
    const inbox = createInbox();
    await bus().subscribe('big', { qos: 1 }, inbox.handler);
    await bus().publish({ topic: 'big', payload, qos: 1, retain: false });
    const [got] = await inbox.count(1);
    expect(Buffer.compare(Buffer.from(got?.payload ?? [1, 2]), payload)).toBe(0);
  });
}

function describeHandlers(bus: () => Bus): void {
  test('each of 50 handlers of one filter gets a message once', async () => {
    const inboxes = Array.from({ length: 50 }, () => createInbox());
    const last = createInbox();
    for (const { handler } of inboxes) await bus().subscribe('many', { qos: 1 }, handler);
    await bus().subscribe('end', { qos: 1 }, last.handler);
    await bus().publish(message('many', 'one', { qos: 1 }));
    await bus().publish(message('end', 'end', { qos: 1 }));
    await last.count(1);
    expect(inboxes.map((inbox) => inbox.texts)).toEqual(inboxes.map(() => ['one']));
  });

  test('a closed subscription takes nothing more, another of the same filter does', async () => {
    const gone = createInbox();
    const kept = createInbox();
    const subscription = await bus().subscribe('same', { qos: 1 }, gone.handler);
    await bus().subscribe('same', { qos: 1 }, kept.handler);
    await subscription.close();
    await subscription.close();
    await bus().publish(message('same', 'later', { qos: 1 }));
    await kept.count(1);
    expect(gone.texts).toEqual([]);
  });

  test('a handler that publishes what it takes goes round without end or overflow', async () => {
    const rounds = 2_000;
    let seen = 0;
    let finish: () => void = () => {};
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    await bus().subscribe('loop', { qos: 0 }, (delivery) => {
      seen += 1;
      delivery.accept();
      delivery.settle();
      if (seen === rounds) finish();
      else void bus().publish(delivery.message);
    });
    await bus().publish(message('loop', 'round', { qos: 0 }));
    await finished;
    expect(seen).toBe(rounds);
  });
}

function describeRetained(bus: () => Bus): void {
  test('a new subscription gets the retained messages that it matches, marked so', async () => {
    await bus().publish(message('state/a', 'on', { qos: 1, retain: true }));
    await bus().publish(message('state/a', 'off', { qos: 1, retain: true }));
    await bus().publish(message('other/a', 'no', { qos: 1, retain: true }));
    const inbox = createInbox();
    await bus().subscribe('state/+', { qos: 1 }, inbox.handler);
    const [got] = await inbox.count(1);
    expect([got?.topic, got?.retain, inbox.texts]).toEqual(['state/a', true, ['off']]);
  });

  test('a second subscription of a filter gets the retained message, the first not again', async () => {
    await bus().publish(message('state/b', 'on', { qos: 1, retain: true }));
    const first = createInbox();
    const second = createInbox();
    await bus().subscribe('state/b', { qos: 1 }, first.handler);
    await first.count(1);
    await bus().subscribe('state/b', { qos: 1 }, second.handler);
    await second.count(1);
    await bus().publish(message('state/b', 'live', { qos: 1 }));
    await Promise.all([first.count(2), second.count(2)]);
    expect([first.texts, second.texts]).toEqual([
      ['on', 'live'],
      ['on', 'live'],
    ]);
  });

  test('an empty retained message takes the retained one away', async () => {
    const live = createInbox();
    await bus().subscribe('state/c', { qos: 1 }, live.handler);
    await bus().publish(message('state/c', 'on', { qos: 1, retain: true }));
    await bus().publish(message('state/c', '', { qos: 1, retain: true }));
    await live.count(2);
    const late = createInbox();
    await bus().subscribe('state/c', { qos: 1 }, late.handler);
    await bus().publish(message('state/c', 'next', { qos: 1 }));
    await late.count(1);
    expect(late.texts).toEqual(['next']);
  });
}

function describeProperties(bus: () => Bus, kept: 'kept' | 'absent'): void {
  for (const retain of [false, true]) {
    const how = retain ? 'retained' : 'live';
    test(`the properties of a ${how} message are ${kept}`, async () => {
      const inbox = createInbox();
      const sent = { ...message('with', 'x', { qos: 1, retain }), properties: ALL_PROPERTIES };
      if (retain) await bus().publish(sent);
      await bus().subscribe('with', { qos: 1 }, inbox.handler);
      if (!retain) await bus().publish(sent);
      const [got] = await inbox.count(1);
      const found = plain(got?.properties);
      if (kept === 'absent') expect(found).toBeUndefined();
      else
        expect(found).toEqual({
          ...plain(ALL_PROPERTIES),
          messageExpiryInterval: expect.any(Number),
        });
    });
  }

  test('a message without properties has none when it comes', async () => {
    const inbox = createInbox();
    await bus().subscribe('without', { qos: 1 }, inbox.handler);
    await bus().publish(message('without', 'x', { qos: 1 }));
    const [got] = await inbox.count(1);
    expect(got?.properties).toBeUndefined();
  });
}

function describeSettling(bus: () => Bus): void {
  test('ten messages come while none of them is settled', async () => {
    const inbox = createInbox('accept');
    await bus().subscribe('work', { qos: 1 }, inbox.handler);
    for (let at = 0; at < 10; at += 1) await bus().publish(message('work', `${at}`, { qos: 1 }));
    await inbox.count(10);
    for (const delivery of [...inbox.deliveries].reverse()) delivery.settle();
    await bus().publish(message('work', 'end', { qos: 1 }));
    await inbox.count(11);
    expect(inbox.texts).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'end']);
  });

  test('accepting and settling twice counts once', async () => {
    const inbox = createInbox('hold');
    await bus().subscribe('twice', { qos: 2 }, inbox.handler);
    const published = bus().publish(message('twice', 'x', { qos: 2 }));
    await inbox.count(1);
    for (const delivery of inbox.deliveries) {
      delivery.accept();
      delivery.accept();
      delivery.settle();
      delivery.settle();
    }
    await published;
    expect(inbox.texts).toEqual(['x']);
  });
}

function describeRefusals(bus: () => Bus): void {
  test.each(['', 'a/+', 'a/#', 'a\u0000b', `${'a/'.repeat(70)}`])(
    'publishing on topic %j fails with value-invalid',
    async (topic) => {
      await expect(bus().publish(message(topic, 'x', { qos: 0 }))).rejects.toMatchObject({
        code: 'value-invalid',
      });
    },
  );

  test.each(['', 'a/#/b', 'a+', '#a', 'a\nb'])(
    'subscribing to filter %j fails with value-invalid',
    async (filter) => {
      const { handler } = createInbox();
      await expect(bus().subscribe(filter, { qos: 0 }, handler)).rejects.toMatchObject({
        code: 'value-invalid',
      });
    },
  );
}

function describeEnd(bus: () => Bus): void {
  test('a disposed bus is offline, says so, and refuses to publish and subscribe', async () => {
    const states: string[] = [];
    const stop = bus().onState((state) => states.push(state));
    const unheard: string[] = [];
    bus().onState((state) => unheard.push(state))();
    await bus()[Symbol.asyncDispose]();
    await bus()[Symbol.asyncDispose]();
    stop();
    expect([states, unheard, bus().state]).toEqual([['offline'], [], 'offline']);
    await expect(bus().publish(message('a', 'x', { qos: 1 }))).rejects.toMatchObject({
      code: 'closed',
    });
    const { handler } = createInbox();
    await expect(bus().subscribe('a', { qos: 1 }, handler)).rejects.toMatchObject({
      code: 'closed',
    });
  });
}

function message(
  topic: string,
  text: string,
  how: { readonly qos: 0 | 1 | 2; readonly retain?: boolean },
): Message {
  return { topic, payload: Buffer.from(text), qos: how.qos, retain: how.retain ?? false };
}

function plain(properties: MessageProperties | undefined): object | undefined {
  if (properties === undefined) return undefined;
  const { correlationData, ...rest } = properties;
  return { ...rest, correlationData: correlationData && [...correlationData] };
}
