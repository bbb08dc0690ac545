import type { IPubackPacket, ISubackPacket, Packet } from 'mqtt-packet';
import { afterEach, describe, expect, test } from 'vitest';
import type { RawClient } from '../../harness/raw-client.ts';
import { type Guarded, openGuarded, roundTrip } from './open-guarded.ts';

const ACL = `
user kitchen
topic read kitchen/#
topic write orders/#
topic write wills/kitchen
topic readwrite $share-like

user cellar
topic readwrite #

pattern readwrite devices/%u/%c/#
`;

let guarded: Guarded;
afterEach(() => guarded[Symbol.asyncDispose]());

function publish(topic: string, qos: 0 | 1 | 2 = 0, messageId?: number, retain = false): Packet {
  const id = messageId === undefined ? {} : { messageId };
  return { cmd: 'publish', topic, payload: topic, qos, dup: false, retain, ...id };
}

async function subscribe(client: RawClient, filters: readonly string[], qos: 0 | 1 = 0) {
  const { length } = client.packets.filter(({ cmd }) => cmd === 'suback');
  const subscriptions = filters.map((topic) => ({ topic, qos }));
  client.send({ cmd: 'subscribe', messageId: length + 1, subscriptions });
  const acks = await client.count('suback', length + 1);
  return (acks[length] as ISubackPacket).granted;
}

function topicsOf(client: RawClient): string[] {
  return client.packets.flatMap((packet) => (packet.cmd === 'publish' ? [packet.topic] : []));
}

describe.each([4, 5] as const)('over protocol level %i', (version) => {
  test.each([
    ['kitchen', 'kitchen', 0],
    ['kitchen', 'wrong', version === 5 ? 0x86 : 4],
    ['nobody', 'nobody', version === 5 ? 0x86 : 4],
    [undefined, undefined, version === 5 ? 0x87 : 5],
  ])('user %s with password %s gets code %i', async (username, password, code) => {
    guarded = await openGuarded(ACL);
    const given = username === undefined ? {} : { username, password: Buffer.from(`${password}`) };
    const client = await guarded.connect(undefined, { version, connect: given });
    const connack = await client.next('connack');
    expect(connack).toMatchObject(version === 5 ? { reasonCode: code } : { returnCode: code });
    if (code !== 0) await client.closed;
    else client.socket.destroy();
  });

  test('a message that may not be written is acknowledged, not routed, and ends nothing', async () => {
    guarded = await openGuarded(ACL);
    const all = await guarded.connect('cellar', { version });
    await subscribe(all, ['#']);
    const client = await guarded.connect('kitchen', { version });
    client.send(publish('forbidden/0'));
    client.send(publish('forbidden/1', 1, 1));
    client.send(publish('forbidden/2', 2, 2));
    const puback = (await client.next('puback')) as IPubackPacket;
    const pubrec = (await client.next('pubrec')) as IPubackPacket;
    const refused = version === 5 ? 0x87 : 0;
    expect([puback.messageId, puback.reasonCode ?? 0]).toEqual([1, refused]);
    expect([pubrec.messageId, pubrec.reasonCode ?? 0]).toEqual([2, refused]);
    if (version === 4) {
      client.send({ cmd: 'pubrel', messageId: 2 });
      await client.next('pubcomp');
    }
    client.send(publish('orders/1', 1, 3));
    await client.count('puback', 2);
    await roundTrip(all);
    expect(topicsOf(all)).toEqual(['orders/1']);
    expect(guarded.problems.map(({ message }) => message)).toEqual([
      'Refused a message of client "of-kitchen" on "forbidden/0": it may not write there',
    ]);
  });

  test('acknowledgements keep their order, refused or not', async () => {
    guarded = await openGuarded(ACL);
    const accepts: (() => void)[] = [];
    await guarded.bus.subscribe('orders/#', { qos: 1 }, (delivery) => {
      accepts.push(() => delivery.accept());
      if (accepts.length === 2) for (const accept of accepts) accept();
    });
    const client = await guarded.connect('kitchen', { version });
    client.send(publish('orders/a', 1, 1));
    client.send(publish('forbidden', 1, 2));
    client.send(publish('orders/b', 1, 3));
    const acks = await client.count('puback', 3);
    expect(acks.map(({ messageId }) => messageId)).toEqual([1, 2, 3]);
  });

  test('a subscription is refused where nothing of it may be read, else filtered', async () => {
    guarded = await openGuarded(ACL);
    const client = await guarded.connect('kitchen', { version });
    const no = version === 5 ? 0x87 : 0x80;
    expect(await subscribe(client, ['orders/#', 'kitchen/oven', '#'])).toEqual([no, 0, 0]);
    const all = await guarded.connect('cellar', { version });
    for (const topic of ['kitchen/oven', 'cellar/wine', 'orders/1', 'kitchen/fan']) {
      all.send(publish(topic, 1, 1));
    }
    await all.count('puback', 4);
    await roundTrip(client);
    expect(topicsOf(client)).toEqual(['kitchen/oven', 'kitchen/fan']);
  });

  test('retained messages are given only where they may be read', async () => {
    guarded = await openGuarded(ACL);
    const all = await guarded.connect('cellar', { version });
    all.send(publish('kitchen/oven', 1, 1, true));
    all.send(publish('cellar/wine', 1, 2, true));
    await all.count('puback', 2);
    const client = await guarded.connect('kitchen', { version });
    await subscribe(client, ['#']);
    await client.next('publish');
    await roundTrip(client);
    expect(topicsOf(client)).toEqual(['kitchen/oven']);
  });

  test('a will that may not be written keeps its client out', async () => {
    guarded = await openGuarded(ACL);
    const will = (topic: string) => ({
      will: { topic, payload: Buffer.from('gone'), qos: 1 as const, retain: false },
    });
    const refused = await guarded.connect('kitchen', { version, connect: will('wills/cellar') });
    expect(await refused.next('connack')).toMatchObject(
      version === 5 ? { reasonCode: 0x87 } : { returnCode: 5 },
    );
    const all = await guarded.connect('cellar', { version });
    await subscribe(all, ['wills/#']);
    const client = await guarded.connect('kitchen', { version, connect: will('wills/kitchen') });
    client.socket.destroy();
    await all.next('publish');
    expect(topicsOf(all)).toEqual(['wills/kitchen']);
  });

  test("%u and %c give each client its own place, and nobody another's", async () => {
    guarded = await openGuarded(ACL);
    const all = await guarded.connect('cellar', { version });
    await subscribe(all, ['devices/#']);
    const client = await guarded.connect('kitchen', { version, clientId: 'c1' });
    for (const [at, who] of ['kitchen/c1', 'kitchen/c2', 'cellar/c1'].entries()) {
      client.send(publish(`devices/${who}/x`, 1, at + 1));
    }
    await client.count('puback', 3);
    for (const clientId of ['+', '#', 'c1/x/..']) {
      const sly = await guarded.connect('kitchen', { version, clientId });
      const no = version === 5 ? 0x87 : 0x80;
      expect(await subscribe(sly, [`devices/kitchen/${clientId}`, 'devices/#'])).toEqual([no, no]);
      sly.send(publish('devices/kitchen/c1/x', 1, 1));
      await sly.next('puback');
    }
    await roundTrip(all);
    expect(topicsOf(all)).toEqual(['devices/kitchen/c1/x']);
  });

  test('the id of a connected client of another user is refused, the own one taken over', async () => {
    guarded = await openGuarded(ACL);
    const first = await guarded.connect('kitchen', { version, clientId: 'shared' });
    const thief = await guarded.connect('cellar', { version, clientId: 'shared' });
    expect(await thief.next('connack')).toMatchObject(
      version === 5 ? { reasonCode: 0x87 } : { returnCode: 5 },
    );
    await roundTrip(first);
    const again = await guarded.connect('kitchen', { version, clientId: 'shared' });
    await first.closed;
    await roundTrip(again);
  });

  test('a user that is removed is put out, the others stay', async () => {
    guarded = await openGuarded(ACL);
    const client = await guarded.connect('kitchen', { version });
    const other = await guarded.connect('cellar', { version });
    await guarded.setUsers(['cellar']);
    await client.closed;
    await roundTrip(other);
    expect(guarded.problems.at(-1)?.message).toBe(
      'Closed the connection of client "of-kitchen": its user has changed',
    );
  });

  test('new rules count at once for what is connected and subscribed', async () => {
    guarded = await openGuarded(ACL);
    const client = await guarded.connect('kitchen', { version });
    await subscribe(client, ['kitchen/#']);
    await guarded.setAcl('user kitchen\ntopic read other/#\nuser cellar\ntopic readwrite #');
    const all = await guarded.connect('cellar', { version });
    all.send(publish('kitchen/oven', 1, 1));
    await all.next('puback');
    client.send(publish('orders/1', 1, 1));
    await client.next('puback');
    await roundTrip(client);
    expect(topicsOf(client)).toEqual([]);
    expect(guarded.problems.map(({ message }) => message)).toEqual([
      expect.stringContaining('on "orders/1"'),
    ]);
  });
});

describe('sessions that last', () => {
  const lasting = { clean: false, properties: { sessionExpiryInterval: 60 } };

  test('what was queued while away is given only where it may be read by then', async () => {
    guarded = await openGuarded(ACL);
    const before = await guarded.connect('kitchen', { connect: lasting });
    await subscribe(before, ['kitchen/#'], 1);
    before.socket.destroy();
    await before.closed;
    const all = await guarded.connect('cellar');
    all.send(publish('kitchen/oven', 1, 1));
    all.send(publish('kitchen/fan', 1, 2));
    await all.count('puback', 2);
    await guarded.setAcl('user kitchen\ntopic read kitchen/fan');
    const after = await guarded.connect('kitchen', { connect: lasting });
    await after.next('publish');
    await roundTrip(after);
    expect(topicsOf(after)).toEqual(['kitchen/fan']);
  });

  test('a refused filter beside a granted one does not stay in the session', async () => {
    guarded = await openGuarded(ACL);
    const before = await guarded.connect('kitchen', { connect: lasting });
    await subscribe(before, ['kitchen/#', 'orders/#'], 1);
    before.socket.destroy();
    await before.closed;
    // Had it stayed, rules that allow it later would bring it back unasked.
    await guarded.setAcl('user kitchen\ntopic read #\nuser cellar\ntopic readwrite #');
    const after = await guarded.connect('kitchen', { connect: lasting });
    const all = await guarded.connect('cellar');
    all.send(publish('orders/1', 1, 1));
    all.send(publish('kitchen/oven', 1, 2));
    await all.count('puback', 2);
    await after.next('publish');
    await roundTrip(after);
    expect(topicsOf(after)).toEqual(['kitchen/oven']);
  });
});

test("the library's own topics, which name clients, go to nobody", async () => {
  guarded = await openGuarded('user kitchen\ntopic readwrite $SYS/#\ntopic readwrite #');
  const client = await guarded.connect('kitchen');
  await subscribe(client, ['$SYS/#', '#']);
  const other = await guarded.connect('kitchen', { clientId: 'other' });
  await roundTrip(other);
  await roundTrip(client);
  expect(topicsOf(client)).toEqual([]);
});

test('the node itself is bound by no list', async () => {
  guarded = await openGuarded(ACL);
  const client = await guarded.connect('kitchen');
  await subscribe(client, ['kitchen/#']);
  const payload = Buffer.from('x');
  await guarded.bus.publish({ topic: 'kitchen/oven', payload, qos: 0, retain: false });
  await client.next('publish');
});

test('guessing is slowed down, told once, and the right password waits too', async () => {
  guarded = await openGuarded(undefined);
  const wrong = { username: 'kitchen', password: Buffer.from('wrong') };
  for (let at = 0; at < 6; at += 1) {
    const client = await guarded.connect(undefined, { clientId: `guess-${at}`, connect: wrong });
    expect(await client.next('connack')).toMatchObject({ reasonCode: 0x86 });
  }
  const right = await guarded.connect('kitchen');
  expect(await right.next('connack')).toMatchObject({ reasonCode: 0x88 });
  const told = guarded.problems.map(({ message }) => message);
  expect(told).toHaveLength(2);
  expect(told[0]).toMatch(/Refused the login of client "guess-0" from 127.0.0.1: wrong user name/);
  expect(told[1]).toMatch(/too many wrong logins; try again in 1 s/);
  guarded.clock.advance(1000);
  const later = await guarded.connect('kitchen');
  expect(await later.next('connack')).toMatchObject({ reasonCode: 0 });
});
