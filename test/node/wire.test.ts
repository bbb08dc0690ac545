import { describe, expect, test } from 'vitest';
import type { Bus, Delivery, Message } from '../../src/bus/bus.ts';
import type { EventOutcome } from '../../src/flow/event.ts';
import type { Result } from '../../src/flow/value.ts';
import { Arrival } from '../../src/node/arrival.ts';
import { createDropReporter } from '../../src/node/dropped.ts';
import { createCounts, createWireSink, resultTopicOf, toEvent } from '../../src/node/wire.ts';
import { systemClock } from '../../src/std/clock.ts';
import { LedgeError } from '../../src/std/error.ts';

const message = (properties: Message['properties'] = {}): Message => ({
  topic: 'in/d',
  payload: new Uint8Array(3),
  qos: 1,
  retain: false,
  properties,
});

/** The border where a bus begins: takes what is published, or fails with an error. */
function wireTo(failure?: LedgeError) {
  const published: Message[] = [];
  const failed: unknown[] = [];
  const publish = (one: Message) => {
    if (failure !== undefined && !one.topic.endsWith('/dropped')) return Promise.reject(failure);
    published.push(one);
    return Promise.resolve();
  };
  const bus = { publish } as unknown as Bus;
  const onPublishFailed = (error: unknown) => failed.push(error);
  const counts = createCounts();
  const drops = createDropReporter({
    bus,
    flow: 'f',
    topic: 'n/f/dropped',
    clock: systemClock,
    onPublishFailed,
  });
  const sink = createWireSink({
    bus,
    flow: 'f',
    plan: { sink: { encoding: 'json', retain: false }, model: undefined },
    resultTopic: resultTopicOf(undefined, 'n/f'),
    deadLetterTopic: 'n/f/dead-letter',
    counts,
    drops,
    onPublishFailed,
  });
  async function accept(
    given: Message,
    end: EventOutcome<Result>['end'] = { kind: 'done' },
    deadlineMs?: number,
  ) {
    let settled = 0;
    const delivery: Delivery = { message: given, accept() {}, settle: () => void settled++ };
    const event = toEvent(given, 'd', { deadlineMs });
    const entry = new Arrival(event, { qos: given.qos, delivery, kept: true }, () => undefined);
    const results = [{ kind: 'result', result: { n: 1 } }] as const;
    await sink.accept({ event, results: end.kind === 'done' ? results : [], end }, entry);
    return settled;
  }
  return { accept, published, failed, counts, drops };
}

test('a result goes to its topic and, where one is asked for, to the response topic', async () => {
  const { accept, published } = wireTo();
  const correlationData = Uint8Array.of(7);
  expect(await accept(message({ responseTopic: 'answers/me', correlationData }))).toBe(1);
  expect(published.map(({ topic }) => topic)).toEqual(['n/f/d', 'answers/me']);
  for (const { properties } of published) expect(properties).toMatchObject({ correlationData });
});

test.each(['a/#', 'a/+/b', '', 'x'.repeat(70_000)])(
  'a response topic that nobody can publish on is left out',
  async (responseTopic) => {
    const { accept, published } = wireTo();
    expect(await accept(message({ responseTopic }))).toBe(1);
    expect(published.map(({ topic }) => topic)).toEqual(['n/f/d']);
  },
);

describe('an event whose result cannot be published', () => {
  test.each<[string, LedgeError, number]>([
    ['is kept while the queue is full', new LedgeError('overflow', '', { retriable: true }), 0],
    ['is kept when the node stops', new LedgeError('closed', ''), 0],
    ['is settled where the topic is wrong', new LedgeError('value-invalid', ''), 1],
    ['is settled where it is too large', new LedgeError('payload-too-large', ''), 1],
    ['is settled where the broker refuses it', new LedgeError('unavailable', ''), 1],
  ])('%s', async (_, failure, settled) => {
    const { accept, failed } = wireTo(failure);
    expect(await accept(message())).toBe(settled);
    expect(failed).toEqual([failure]);
  });
});

test('a dead letter repeats the payload up to its limit', async () => {
  const { accept, published, counts } = wireTo();
  const end = { kind: 'fail', error: new LedgeError('payload-invalid', 'bad') } as const;
  await accept(message(), end);
  await accept({ ...message(), payload: new Uint8Array(262_145) }, end);
  const bodies = published.map(({ payload }) => JSON.parse(Buffer.from(payload).toString()));
  expect(bodies).toMatchObject([
    { error: { code: 'payload-invalid', message: 'bad' }, payload: 'AAAA', payloadBytes: 3 },
    { payloadBytes: 262_145 },
  ]);
  expect(bodies[1]).not.toHaveProperty('payload');
  expect(counts.deadLettered).toBe(2);
});

test('a result after its deadline is a drop that is told', async () => {
  const { accept, published, counts, drops } = wireTo();
  expect(await accept(message(), { kind: 'done' }, -1)).toBe(1);
  await drops.flush();
  expect(counts).toMatchObject({ results: 0, dropped: { expired: 1 } });
  expect(published.map(({ topic }) => topic)).toEqual(['n/f/dropped']);
});

test('an error that says expired is a drop as well', async () => {
  const { accept, published, drops } = wireTo();
  await accept(message(), { kind: 'fail', error: new LedgeError('expired', 'late') });
  await drops.flush();
  expect(JSON.parse(Buffer.from(published[0]?.payload ?? []).toString())).toMatchObject({
    reason: 'expired',
    count: 1,
    events: [{ device: 'd' }],
  });
});

test('the shorter of deadline and message expiry counts', () => {
  const limit = (expiry: number | undefined, deadlineMs: number | undefined) => {
    const properties = expiry === undefined ? {} : { messageExpiryInterval: expiry };
    const { deadlineAtMs, receivedAtMs } = toEvent(message(properties), 'd', { deadlineMs });
    return deadlineAtMs === undefined ? undefined : deadlineAtMs - receivedAtMs;
  };
  expect(limit(undefined, undefined)).toBeUndefined();
  expect(limit(2, undefined)).toBeCloseTo(2000);
  expect(limit(2, 500)).toBeCloseTo(500);
  expect(limit(2, 5000)).toBeCloseTo(2000);
});
