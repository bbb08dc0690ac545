import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { judge, type Outcome } from '../../scripts/faults/scenario.ts';
import { decodeEvent, encodeEvent } from '../../scripts/faults/toolbox/event.ts';
import { createRandom } from '../../scripts/faults/toolbox/random.ts';
import { createSeries } from '../../scripts/faults/toolbox/slope.ts';
import { createTally, type Tally } from '../../scripts/faults/toolbox/tally.ts';
import { type Manner, openTcpProxy } from '../../scripts/faults/toolbox/tcp-proxy.ts';
import { openBroker } from '../../src/bus/broker.ts';
import { openRawClient } from '../harness/raw-client.ts';

describe('chance', () => {
  test('is the same for the same seed, and another for another seed or label', () => {
    const draw = (seed: number, label: string) => {
      const random = createRandom(seed).fork(label);
      return Array.from({ length: 5 }, () => random.between(0, 1_000_000));
    };
    expect(draw(1, 'a')).toEqual(draw(1, 'a'));
    expect(draw(2, 'a')).not.toEqual(draw(1, 'a'));
    expect(draw(1, 'b')).not.toEqual(draw(1, 'a'));
  });

  test('a fork does not depend on how far its parent has got', () => {
    const parent = createRandom(7);
    const early = parent.fork('x').next();
    parent.next();
    expect(parent.fork('x').next()).toBe(early);
  });
});

function tallyOf(act: (tally: Tally) => void): Tally {
  const tally = createTally();
  act(tally);
  return tally;
}

function publish(tally: Tally, device: number, numbers: readonly number[]): void {
  for (const number of numbers) {
    tally.send(device, number);
    tally.acknowledge(device, number);
  }
}

describe('a tally', () => {
  test.each<[string, (tally: Tally) => void, Partial<Tally>]>([
    ['what arrived is not lost', (tally) => tally.arrive(1, 0), { lost: 2, arrived: 1 }],
    ['a dead letter is not lost', (tally) => tally.deadLetter(1, 1), { lost: 2, deadLettered: 1 }],
    [
      'a second arrival is a duplicate, also of a number that was done long ago',
      (tally) => {
        for (const number of [0, 1, 2, 0, 2]) tally.arrive(1, number);
      },
      { lost: 0, arrived: 3, duplicates: 2, disordered: 0 },
    ],
    [
      'a first arrival behind a later one is out of order, a duplicate is not',
      (tally) => {
        for (const number of [1, 0, 1, 2]) tally.arrive(1, number);
      },
      { disordered: 1, duplicates: 1, lost: 0 },
    ],
    ['what nobody sent is foreign', (tally) => tally.arrive(9, 9), { foreign: 1, lost: 3 }],
    [
      'what was sent without an acknowledgement is not lost',
      (tally) => tally.send(2, 0),
      { sent: 4, published: 3, lost: 3 },
    ],
  ])('%s', (_, act, expected) => {
    const tally = tallyOf((fresh) => {
      publish(fresh, 1, [0, 1, 2]);
      act(fresh);
    });
    expect(tally).toMatchObject(expected);
  });

  test('names what is lost by device and number', () => {
    const tally = tallyOf((fresh) => publish(fresh, 3, [0, 1]));
    tally.arrive(3, 0);
    expect(tally.lostIds()).toEqual(['3/1']);
  });
});

describe('a report', () => {
  const sound = () =>
    tallyOf((tally) => {
      publish(tally, 1, [0]);
      tally.arrive(1, 0);
    });
  const outcome = (tally: Tally, more: Partial<Outcome> = {}): Outcome => ({
    tally,
    checks: [],
    figures: {},
    ...more,
  });

  test.each<[string, Outcome, boolean]>([
    ['all arrived', outcome(sound()), true],
    ['a check failed', outcome(sound(), { checks: [{ what: 'x', met: false }] }), false],
    ['nothing was published', outcome(createTally()), false],
    ['one is lost', outcome(tallyOf((tally) => publish(tally, 1, [0]))), false],
    [
      'one may be lost',
      outcome(
        tallyOf((tally) => publish(tally, 1, [0])),
        { lostMax: 1 },
      ),
      true,
    ],
  ])('where %s is judged', (_, given, met) => {
    const report = judge('case', given, 1234);
    expect(report.met).toBe(met);
    expect(report.unmet.length > 0).toBe(!met);
  });
});

test('an event is read as it was written, and nothing else is one', () => {
  const event = { device: 3, number: 70_001, mark: 0, extra: 2.5 };
  expect(decodeEvent(encodeEvent(event))).toEqual(event);
  expect(decodeEvent(Buffer.alloc(15))).toBeUndefined();
});

test('a slope is that of the line through the samples from a moment on', () => {
  const series = createSeries();
  for (const [at, value] of [
    [0, 900],
    [10, 5],
    [20, 7],
    [30, 9],
  ] as const) {
    series.add(at, value);
  }
  expect(series.slope(10)).toBeCloseTo(0.2, 10);
});

describe('the hop between node and broker', () => {
  test.each<[Manner['kind'], Manner, boolean]>([
    ['pass', { kind: 'pass' }, true],
    ['delay', { kind: 'delay', ms: 20 }, true],
    ['closed', { kind: 'closed' }, false],
  ])('%s: a client connects through it: %s', async (_, manner, connects) => {
    await using broker = await openBroker({ port: 0 });
    const proxy = await openTcpProxy(Number(new URL(broker.address).port));
    proxy.treat(manner);
    const outcome = await openRawClient({ port: proxy.port }).then(
      (client) => {
        client.socket.destroy();
        return true;
      },
      () => false,
    );
    expect(outcome).toBe(connects);
    await proxy.close();
  });

  test('truncated: gives half of the next chunk on, and cuts', async () => {
    const got: Buffer[] = [];
    const server = createServer((socket) => {
      socket.on('data', (chunk) => got.push(chunk));
      socket.on('error', () => socket.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const proxy = await openTcpProxy(port);
    const client = await openRawClient({ port: proxy.port, connect: 'none' });
    proxy.truncate();
    client.sendBytes(Buffer.from('12345678'));
    await client.closed;
    expect(Buffer.concat(got).toString()).toBe('1234');
    await proxy.close();
    await new Promise((resolve) => server.close(resolve));
  });
});
