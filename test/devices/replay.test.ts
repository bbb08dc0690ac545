import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type EmbeddedBus, openBroker } from '../../src/bus/broker.ts';
import type { Message } from '../../src/bus/bus.ts';
import { type ExternalBus, openClient } from '../../src/bus/client.ts';
import { openExchange } from '../../src/devices/exchange.ts';
import { findFlow } from '../../src/devices/find-flow.ts';
import type { Recording } from '../../src/devices/recording.ts';
import { type ReplayReply, replayRecording } from '../../src/devices/replay.ts';

let broker: EmbeddedBus;
let client: ExternalBus;

beforeEach(async () => {
  broker = await openBroker({ port: 0 });
  client = await openClient({ url: broker.address });
});
afterEach(async () => {
  await client[Symbol.asyncDispose]();
  await broker[Symbol.asyncDispose]();
});

const TOPICS = {
  node: 'home',
  flow: 'echo',
  in: 'ledge/in/text/{device}',
  out: 'ledge/home/echo/{device}',
};

const json = (topic: string, body: object, properties: Message['properties'] = {}): Message => ({
  topic,
  payload: Buffer.from(JSON.stringify(body)),
  qos: 1,
  retain: topic.endsWith('bridge/flows'),
  properties,
});

const flowsOf = (node: string, names: readonly string[]): Message =>
  json(`ledge/${node}/bridge/flows`, {
    flows: names.map((name) => ({
      name,
      state: name === 'off' ? 'disabled' : 'running',
      in: 'ledge/in/text/{device}',
      out: `ledge/${node}/${name}/{device}`,
    })),
  });

/** A node's part: a result each, nothing for `hold`, a dead letter for `bad`, a drop for `late`. */
async function answerLikeANode(): Promise<void> {
  await broker.subscribe('ledge/in/text/+', { qos: 1 }, (delivery) => {
    const { payload, topic, properties } = delivery.message;
    delivery.accept();
    delivery.settle();
    const text = Buffer.from(payload).toString();
    const device = topic.split('/').at(-1) ?? '';
    const events = [{ id: '1', device, ts: 0 }];
    if (text === 'hold') return;
    if (text === 'late') {
      void broker.publish(json('ledge/home/echo/dropped', { reason: 'expired', count: 1, events }));
    } else if (text === 'bad') {
      const error = { code: 'payload-invalid', message: 'no' };
      void broker.publish(json('ledge/home/echo/dead-letter', { error }, properties));
    } else {
      void broker.publish(json(`ledge/home/echo/${device}`, { result: { text } }, properties));
    }
  });
}

const recordingOf = (texts: readonly string[], everyMs = 0): Recording => ({
  flow: 'echo',
  speed: 1,
  events: texts.map((text, index) => ({
    name: `${text}-${index}`,
    device: undefined,
    atMs: index * everyMs,
    contentType: 'text/plain',
    read: async () => Buffer.from(text),
  })),
});

async function replay(
  recording: Recording,
  { speed = 1, signal = new AbortController().signal } = {},
) {
  const replies: ReplayReply[] = [];
  const summary = await replayRecording(recording, {
    speed,
    deviceOf: () => 'one',
    quietMsMax: 300,
    signal,
    open: (listeners) => openExchange(client, TOPICS, listeners),
    onReply: (reply) => replies.push(reply),
  });
  return { summary, replies };
}

describe('a replay', () => {
  test('matches every reply to its event, and accounts for each event', async () => {
    await answerLikeANode();
    const { summary, replies } = await replay(recordingOf(['a', 'hold', 'bad', 'b', 'late']));
    expect(replies.map(({ recorded, kind }) => [recorded.name, kind])).toEqual([
      ['a-0', 'result'],
      ['bad-2', 'dead-letter'],
      ['b-3', 'result'],
    ]);
    expect(summary).toEqual({
      events: 5,
      results: 2,
      answered: 2,
      failed: 1,
      unanswered: 2,
      dropped: { expired: 1 },
    });
  });
  test('leaves out the replies to other senders', async () => {
    await answerLikeANode();
    const other = await openClient({ url: broker.address });
    const [mine] = await Promise.all([
      replay(recordingOf(['a', 'hold'])),
      other.publish(json('ledge/in/text/one', { b: 1 }, { correlationData: Buffer.alloc(12) })),
    ]);
    await other[Symbol.asyncDispose]();
    expect(mine.replies.map(({ recorded }) => recorded.name)).toEqual(['a-0']);
  });
  test('ends before its recording when it is told to', async () => {
    await answerLikeANode();
    const stop = new AbortController();
    const run = replay(recordingOf(['a', 'b'], 3_600_000), { signal: stop.signal });
    await broker.subscribe('ledge/home/echo/one', { qos: 1 }, () => stop.abort());
    expect((await run).summary.events).toBe(1);
  });
  test('goes as many times faster as it is told to', async () => {
    await answerLikeANode();
    const { summary } = await replay(recordingOf(['a', 'b', 'c'], 3_600_000), { speed: 1e8 });
    expect(summary.answered).toBe(3);
  });
});

describe('findFlow', () => {
  test('finds a running flow by name, or the only one there is', async () => {
    await broker.publish(flowsOf('home', ['echo', 'off']));
    expect(await findFlow(client, { flow: 'echo', node: undefined })).toEqual(TOPICS);
    expect(await findFlow(client, { flow: undefined, node: undefined })).toEqual(TOPICS);
  });
  test.each([
    ['a flow that is off', { flow: 'off', node: undefined }],
    ['a flow of two nodes', { flow: 'echo', node: undefined }],
    ['one of several', { flow: undefined, node: 'shed' }],
  ])('names what there is when asked for %s', async (_, wanted) => {
    await broker.publish(flowsOf('home', ['echo', 'off']));
    await broker.publish(flowsOf('shed', ['echo', 'words']));
    await expect(findFlow(client, wanted)).rejects.toMatchObject({
      code: 'not-found',
      message: expect.stringContaining('words of node shed'),
    });
  });
});
