import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { heavyModel, quickModel, slowModel, writeLadder } from '../fixtures/ladder.ts';
import { fourNumbers } from '../harness/flows.ts';
import { connectTest, type TestClient } from '../harness/mqtt.ts';
import { type RunningNode, startNode, temporaryFolder } from '../harness/node.ts';

const BRIDGE = 'ledge/test/bridge';
/** Some 20 ms and more for one event, on one worker. */
const PRODUCTS = 40;
/** So many at once keep the slow rung busy for longer than the hold time of a step down. */
const EVENTS = 240;
const DEVICES = ['a', 'b', 'c'];

const FLOW = [
  'source:',
  "  topic: 'in/{device}'",
  '  inFlightMax: 4',
  '  queueEventsMax: 40',
  'steps:',
  '  - float32: { shape: [4] }',
  '  - predict: { model: model.yaml }',
  '  - encode: { field: y }',
].join('\n');

let root: string;
let thermal: string;
let node: RunningNode;
let client: TestClient;
let transactions = 0;

beforeAll(async () => {
  root = await temporaryFolder();
  thermal = join(root, 'thermal');
  const folder = join(root, 'flows', 'stairs');
  await writeLadder(folder, [
    { name: 'best', precision: 'fp32', model: slowModel(PRODUCTS) },
    { name: 'quick', precision: 'int8', model: quickModel() },
  ]);
  await writeFile(join(folder, 'flow.yaml'), FLOW);
  await setCelsius(41.5);
  const settings = {
    'inference.workers': 1,
    'ladder.everySeconds': 0.05,
    'ladder.downAfterSeconds': 0.3,
    'ladder.upAfterSeconds': 0.6,
    'ladder.thermalFolder': thermal,
    'ladder.throttleAtCelsius': 80,
    'health.intervalSeconds': 0.2,
  };
  const args = Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
  node = await startNode({
    flows: join(root, 'flows'),
    args: ['--board', 'generic-x64', ...args],
  });
  client = await connectTest(node.ready.mqtt, [`${BRIDGE}/#`, 'ledge/test/stairs/+']);
});

afterAll(async () => {
  await client[Symbol.asyncDispose]();
  await node.stop();
  await rm(root, { recursive: true });
});

/** What the machine's one thermal zone says, as Linux writes it. */
async function setCelsius(celsius: number): Promise<void> {
  await mkdir(join(thermal, 'thermal_zone0'), { recursive: true });
  await writeFile(join(thermal, 'thermal_zone0', 'temp'), `${celsius * 1e3}\n`);
}

async function ask(request: string, payload: object): Promise<Record<string, unknown>> {
  const transaction = `t${transactions++}`;
  const body = JSON.stringify({ ...payload, transaction });
  await client.client.publishAsync(`${BRIDGE}/request/${request}`, body, { qos: 1 });
  const reply = await client.next(
    ({ topic, payload: bytes }) =>
      topic === `${BRIDGE}/response/${request}` && bytes.includes(`"${transaction}"`),
  );
  return reply.json;
}

const isChange = (to: string) => (message: { topic: string; json: Record<string, unknown> }) =>
  message.topic === `${BRIDGE}/event` &&
  message.json.type === 'flow-rung' &&
  message.json.to === to;

/** The next change to a rung after those that were told of so far. */
async function nextChange(to: string): Promise<Record<string, unknown>> {
  const before = client.received.filter(isChange(to)).length;
  return (await client.count(before + 1, isChange(to))).at(-1)!.json;
}

/** The flow's one ladder, as lists and health show it. */
async function shown(): Promise<readonly Record<string, unknown>[]> {
  const { data } = await ask('flows', {});
  const health = (await ask('health', {})).data as { flows: Record<string, { ladders: [object] }> };
  const page = await fetch(`${node.ready.http}/flows`);
  const [listed] = (data as { flows: { ladders: [Record<string, unknown>] }[] }).flows;
  const [served] = ((await page.json()) as { flows: { ladders: [Record<string, unknown>] }[] })
    .flows;
  return [listed!.ladders[0], health.flows.stairs!.ladders[0] as never, served!.ladders[0]];
}

let sent = 0;
/** Publishes events whose numbers tell their order; each device's own go up. */
function publish(count: number): Promise<unknown> {
  const all = Array.from({ length: count }, () => {
    sent += 1;
    const topic = `in/${DEVICES[sent % DEVICES.length]}`;
    return client.client.publishAsync(topic, fourNumbers(sent, 0, 0, 0), { qos: 1 });
  });
  return Promise.all(all);
}

interface TestResult {
  readonly device: string;
  readonly result: { readonly y: readonly number[] };
  readonly model: { readonly name: string; readonly rung: string; readonly precision: string };
}

/** All results so far, once there are as many as events. */
async function results(): Promise<readonly TestResult[]> {
  const found = await client.count(sent, ({ topic }) => /\/stairs\/[abc]$/.test(topic));
  return found.map(({ json }) => json as unknown as TestResult);
}

/** No event is missing or twice, and each device's are in the order in which they were sent. */
function expectAllInOrder(found: readonly TestResult[]): void {
  const unit = found[0]!.result.y.flat()[0]!;
  const numbers = found.map(({ result, device }) => {
    return { device, number: Math.round(result.y.flat()[0]! / unit) };
  });
  expect(numbers.map(({ number }) => number).sort((a, b) => a - b)).toEqual(
    Array.from({ length: sent }, (_, index) => index + 1),
  );
  for (const device of DEVICES) {
    const own = numbers.filter((one) => one.device === device).map(({ number }) => number);
    expect(own).toEqual([...own].sort((a, b) => a - b));
  }
}

test('a flow without work runs the rung of its board, and says why', async () => {
  for (const ladder of await shown()) {
    expect(ladder).toMatchObject({
      ...{ model: 'stairs', rung: 'best', precision: 'fp32', rungs: ['best', 'quick'] },
      ...{ best: 'best', why: 'board', steps: 0, stepping: 'auto', since: expect.any(Number) },
    });
  }
});

test('a flow that cannot keep up steps down, and up again when it is idle', async () => {
  const [down, up] = [nextChange('quick'), nextChange('best')];
  await publish(EVENTS);
  expect(await down).toMatchObject({
    ...{ name: 'stairs', model: 'stairs', from: 'best', why: 'queue' },
    detail: expect.stringMatching(/% of the queue filled, limit 50 %/),
  });
  const found = await results();
  expect(await up).toMatchObject({ from: 'quick', why: 'calm' });
  expectAllInOrder(found);
  const rungs = found.map(({ model }) => model.rung);
  expect(rungs.at(0)).toBe('best');
  expect(rungs.at(-1)).toBe('quick');
  expect(found.at(-1)?.model).toEqual({
    ...{ name: 'stairs', version: '1', precision: 'int8', rung: 'quick' },
  });
  await publish(1);
  expect((await results()).at(-1)?.model.rung).toBe('best');
  for (const ladder of await shown()) {
    expect(ladder).toMatchObject({ rung: 'best', why: 'calm', steps: 2 });
  }
  const lines = node.log.filter(({ message }) => /another rung/.test(String(message)));
  expect(lines).toHaveLength(2);
});

test('a hot board steps down, and up once it has cooled', async () => {
  const down = nextChange('quick');
  await setCelsius(80.5);
  expect(await down).toMatchObject({ why: 'heat', detail: '80.5 °C, limit 80 °C' });
  const up = nextChange('best');
  await setCelsius(60);
  expect(await up).toMatchObject({ why: 'calm' });
});

test('a rung that is asked for stays, whatever happens, until it is let go', async () => {
  const pinned = nextChange('quick');
  expect(await ask('flow/rung', { name: 'stairs', rung: 'quick' })).toMatchObject({
    status: 'ok',
    data: { name: 'stairs', rungs: ['quick'] },
  });
  expect(await pinned).toMatchObject({ from: 'best', why: 'request' });
  const reloaded = client.count(2, ({ topic, json }) => {
    return topic === `${BRIDGE}/event` && json.type === 'flow-rung' && json.why === 'request';
  });
  expect(await ask('flow/reload', { name: 'stairs' })).toMatchObject({ status: 'ok' });
  await reloaded;
  await publish(30);
  expect((await results()).at(-1)?.model.rung).toBe('quick');
  const free = nextChange('best');
  expect(await ask('flow/rung', { name: 'stairs', rung: 'auto' })).toMatchObject({
    data: { rungs: ['best'] },
  });
  expect(await free).toMatchObject({ why: 'board' });
  expectAllInOrder(await results());
});

test.each([
  [{ name: 'stairs', rung: 'third' }, /no rung "third", only best, quick and auto/],
  [{ name: 'stars', rung: 'best' }, /no flow "stars" at work whose model has a ladder/],
  [{ name: 'stairs' }, /rung/],
])('a request for %o is answered with what is wrong', async (payload, message) => {
  expect(await ask('flow/rung', payload)).toMatchObject({
    status: 'error',
    error: expect.stringMatching(message),
  });
});

test('a rung whose file changes is refused at the reload, and the flow runs on', async () => {
  const refused = client.next(({ json }) => json.type === 'flow-refused');
  await writeFile(join(root, 'flows', 'stairs', 'model.quick.onnx'), 'something else');
  await refused;
  const { data } = await ask('flows', {});
  const [flow] = (data as { flows: { state: string; problems: string[] }[] }).flows;
  expect(flow).toMatchObject({
    state: 'running',
    problems: [
      expect.stringMatching(/flow\.yaml:7: steps\.1\.predict.*ladder\.0\.sha256 of model/),
    ],
  });
  await publish(3);
  expect((await results()).at(-1)?.model.rung).toBe('best');
});

test('a rung that does not fit is passed over at the start, and refused later, aloud', async () => {
  const flows = join(root, 'small-board');
  const quick = { name: 'quick', precision: 'int8', model: quickModel() };
  const heavy = { name: 'heavy', precision: 'fp32', model: heavyModel(2_000_000) };
  const ladders = { over: [heavy, quick], under: [{ ...quick, precision: 'fp32' }, heavy] };
  for (const [name, rungs] of Object.entries(ladders)) {
    await writeLadder(join(flows, name), rungs);
    const text = FLOW.replace('in/{device}', `${name}/{device}`);
    await writeFile(join(flows, name, 'flow.yaml'), text);
  }
  const budget = ['inference.workers=1', `inference.memoryBytesMax=${40 * 2 ** 20}`];
  const args = ['--board', 'generic-x64', ...budget.flatMap((one) => ['--set', one])];
  await using small = await startNode({ flows, args });
  await using watcher = await connectTest(small.ready.mqtt, [`${BRIDGE}/#`]);
  const ladderOf = async (name: string) => {
    const { flows: listed } = (await (await fetch(`${small.ready.http}/flows`)).json()) as {
      flows: { name: string; ladders: [Record<string, unknown>] }[];
    };
    return listed.find((flow) => flow.name === name)?.ladders[0];
  };
  const needs = /rung "heavy" needs 45\.8 MiB, .* of 40\.0 MiB are in use/;
  expect(await ladderOf('over')).toMatchObject({
    ...{ rung: 'quick', why: 'memory', best: 'quick', detail: expect.stringMatching(needs) },
  });
  const body = JSON.stringify({ name: 'under', rung: 'heavy' });
  await watcher.client.publishAsync(`${BRIDGE}/request/flow/rung`, body);
  const { json } = await watcher.next(({ topic }) => topic.endsWith('response/flow/rung'));
  expect(json).toMatchObject({ status: 'error', error: expect.stringMatching(needs) });
  const event = await watcher.next(({ json: told }) => told.type === 'flow-rung-refused');
  expect(event.json).toMatchObject({ name: 'under', from: 'quick', to: 'heavy', why: 'request' });
  expect(await ladderOf('under')).toMatchObject({
    ...{ rung: 'quick', why: 'board', refused: expect.stringMatching(needs) },
  });
  expect(small.log).toContainEqual(
    expect.objectContaining({ message: 'A better rung does not fit', flow: 'over', rung: 'quick' }),
  );
});
