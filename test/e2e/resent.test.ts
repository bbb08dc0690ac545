import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventIdOf } from '../../src/node/event-id.ts';
import { openStore } from '../../src/store/database.ts';
import { openJournal } from '../../src/store/journal.ts';
import { fourNumbers, tinyFlow, writeFlows } from '../harness/flows.ts';
import { connectTest } from '../harness/mqtt.ts';
import { type RunningNode, startNode, temporaryFolder } from '../harness/node.ts';
import { connectWire } from '../harness/wire-client.ts';

const TOPIC = 'in/device-1';
const PACKET_ID = 7;
const TS = 1_700_000_000_000;
let flows: string;
let data: string;

beforeEach(async () => {
  flows = await writeFlows({ tiny: tinyFlow() });
  data = await temporaryFolder();
});
afterEach(async () => {
  await rm(flows, { recursive: true });
  await rm(data, { recursive: true });
});

/** Leaves one event in the journal, as a node does that was cut off before it acknowledged. */
async function leaveEvent(id: string, payload: Buffer): Promise<void> {
  await using store = await openStore({ folder: join(data, 'store') });
  const limits = { eventsMax: 10, bytesMax: 1e6, gatherMs: 0 };
  const journal = await openJournal(store, limits);
  const sender = ['sensor', PACKET_ID] as const;
  journal.append('tiny', { id, ts: TS, topic: TOPIC, qos: 1, payload, sender }, () => undefined);
  await journal.flush();
}

async function sendAgain(node: RunningNode, payload: Buffer): Promise<void> {
  const port = Number(new URL(node.ready.mqtt).port);
  const client = await connectWire(port, { clientId: 'sensor' });
  const packet = { cmd: 'publish', topic: TOPIC, payload, retain: false } as const;
  client.send({ ...packet, qos: 1, dup: true, messageId: PACKET_ID });
  expect(await client.take('puback')).toMatchObject({ messageId: PACKET_ID });
  await client.leave();
}

const countsOf = async ({ ready }: RunningNode) =>
  ((await (await fetch(`${ready.http}/health`)).json()) as { flows: Record<string, object> }).flows
    .tiny;

test('an event that its publisher sends again after a crash is worked on once', async () => {
  const payload = fourNumbers(1, 2, 3, 4);
  const id = eventIdOf(TOPIC, payload, TS);
  await leaveEvent(id, payload);
  await using node = await startNode({ flows, data });
  await sendAgain(node, payload);
  await using subscriber = await connectTest(node.ready.mqtt, ['ledge/test/tiny/+']);
  await subscriber.client.publishAsync('in/last', payload, { qos: 1 });
  await subscriber.count(1, ({ topic }) => topic.endsWith('/last'));
  expect(await countsOf(node)).toMatchObject({
    ...{ received: 2, replayed: 1, emitted: 2, inFlight: 0 },
    dropped: { duplicate: 1 },
  });
});

test('another event under the same packet id is worked on, marked as sent again or not', async () => {
  const payload = fourNumbers(1, 2, 3, 4);
  await leaveEvent(eventIdOf(TOPIC, payload, TS), payload);
  await using node = await startNode({ flows, data });
  await sendAgain(node, fourNumbers(4, 3, 2, 1));
  await using subscriber = await connectTest(node.ready.mqtt, ['ledge/test/tiny/+']);
  await subscriber.client.publishAsync('in/last', payload, { qos: 1 });
  await subscriber.count(1, ({ topic }) => topic.endsWith('/last'));
  expect(await countsOf(node)).toMatchObject({ received: 2, replayed: 1, emitted: 3, dropped: {} });
});
