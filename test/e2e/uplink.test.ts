import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ledge } from '../harness/cli.ts';
import { fourNumbers, tinyFlow, writeFlows } from '../harness/flows.ts';
import { type Mosquitto, startMosquitto } from '../harness/mosquitto.ts';
import { connectTest, type Received, type TestClient } from '../harness/mqtt.ts';
import { type RunningNode, startNode, temporaryFolder } from '../harness/node.ts';
import { hasTool } from '../harness/tools.ts';

/** Runs that end with a kill: the hub is there in one, away in the next. */
const ROUNDS = 4;
const EVENTS = 400;

let flows: string;
let data: string;
let hub: Mosquitto;
let config: string;
let node: RunningNode | undefined;

async function start(): Promise<RunningNode> {
  node = await startNode({ flows, data, args: ['--config', config] });
  return node;
}

async function kill(running: RunningNode): Promise<void> {
  const ended = new Promise((resolve) => running.process.once('exit', resolve));
  running.process.kill('SIGKILL');
  await ended;
}

/** Publishes one event; its number comes back with each of its results. */
function publish({ client }: TestClient, number: number): Promise<unknown> {
  return client.publishAsync(`in/device-${number % 5}`, fourNumbers(number, 1, 2, 3), {
    qos: 1,
    properties: { correlationData: Buffer.from(String(number)) },
  });
}

function numbersOf({ received }: TestClient): number[] {
  return received.filter(({ topic }) => topic.startsWith('site/ledge/test/tiny/')).map(numberOf);
}

function numberOf({ packet }: Received): number {
  return Number(packet.properties?.correlationData?.toString());
}

function verify(more: readonly string[] = []) {
  return ledge(['ledger', '--verify', '--json', '--data', data, '--node', 'test', ...more]);
}

describe.skipIf(!hasTool('mosquitto'))('a node with an uplink', { timeout: 120_000 }, () => {
  beforeEach(async () => {
    flows = await writeFlows({ tiny: tinyFlow() });
    data = await temporaryFolder();
    hub = await startMosquitto();
    config = join(data, 'ledge.yaml');
    const lines = [
      'uplink:',
      `  url: ${hub.url}`,
      '  backoffSecondsMax: 0.5',
      '  up:',
      "    - { filter: 'ledge/test/tiny/+', prefix: { local: 'ledge/', remote: 'site/ledge/' } }",
      "    - { filter: 'ledge/test/bridge/state', class: state, retain: true }",
      '  down:',
      "    - { filter: 'command/#', prefix: { remote: 'command/', local: 'in/' } }",
    ];
    await writeFile(config, `${lines.join('\n')}\n`);
  });

  afterEach(async () => {
    await node?.stop();
    await hub.remove();
    for (const folder of [flows, data]) await rm(folder, { recursive: true, force: true });
  });

  test('sends results up, takes events down, and its ledger adds up', async () => {
    await using far = await connectTest(hub.url, ['site/#', 'ledge/test/#']);
    const running = await start();
    await using near = await connectTest(running.ready.mqtt, ['ledge/test/bridge/uplink']);
    await far.next(({ topic, json }) => topic.endsWith('uplink-state') && json.state === 'online');
    await publish(near, 1);
    await far.next(({ topic }) => topic === 'site/ledge/test/tiny/device-1');
    await far.client.publishAsync('command/device-2', fourNumbers(4, 3, 2, 1), { qos: 1 });
    await far.next(({ topic }) => topic === 'site/ledge/test/tiny/device-2');
    await near.next(({ json }) => (json.acked as { telemetry: number }).telemetry === 2);
    const asked = await verify(['--broker', running.ready.mqtt]);
    expect([asked.code, asked.stderr]).toEqual([0, '']);
    const answer = JSON.parse(asked.stdout);
    expect(answer.flows.tiny).toMatchObject({ received: 2, emitted: 2, queued: 0, inFlight: 0 });
    expect(answer.uplink.telemetry).toMatchObject({ emitted: 2, acked: 2, queued: 0 });
    await running.stop();
    await far.next(({ topic, json }) => topic.endsWith('uplink-state') && json.state === 'offline');
    const read = await verify();
    expect([read.code, read.stderr]).toEqual([0, '']);
    expect(JSON.parse(read.stdout).flows.tiny).toMatchObject({ received: 2, emitted: 2 });
  });

  test('killed in mid-load while the uplink comes and goes, loses nothing', async () => {
    const arrived = new Set<number>();
    const acknowledged = new Set<number>();
    let sent = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const away = round % 2 === 1;
      if (away) await hub.stop();
      const far = away ? undefined : await connectTest(hub.url, ['site/#']);
      const running = await start();
      await using near = await connectTest(running.ready.mqtt);
      const before = acknowledged.size;
      const enough = new Promise<void>((resolve) => {
        for (let at = 0; at < EVENTS; at += 1) {
          const number = sent;
          sent += 1;
          const done = () => {
            acknowledged.add(number);
            if (acknowledged.size === before + EVENTS / 2) resolve();
          };
          publish(near, number).then(done, () => undefined);
        }
      });
      await enough;
      await kill(running);
      const read = await verify();
      expect([read.code, read.stderr]).toEqual([0, '']);
      for (const number of far === undefined ? [] : numbersOf(far)) arrived.add(number);
      await far?.[Symbol.asyncDispose]();
      if (away) await hub.start();
    }
    await using far = await connectTest(hub.url, ['site/#']);
    const running = await start();
    await using near = await connectTest(running.ready.mqtt, ['ledge/test/bridge/uplink']);
    await publish(near, sent);
    await far.next((message) => numberOf(message) === sent);
    await near.next(({ json }) => {
      const { telemetry } = json.queued as { telemetry: { messages: number } };
      return json.connected === true && telemetry.messages === 0;
    });
    await running.stop();
    for (const number of numbersOf(far)) arrived.add(number);
    const read = await verify();
    expect([read.code, read.stderr]).toEqual([0, '']);
    const { uplink, flows: all } = JSON.parse(read.stdout);
    expect(uplink.telemetry).toMatchObject({ queued: 0, dropped: {} });
    expect(all.tiny).toMatchObject({ inJournal: 0, queued: 0, inFlight: 0, dropped: {} });
    expect([...acknowledged].filter((number) => !arrived.has(number))).toEqual([]);
  });
});
