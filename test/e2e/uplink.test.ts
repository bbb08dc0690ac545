import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ledge } from '../harness/cli.ts';
import { fourNumbers, tinyFlow, writeFlows } from '../harness/flows.ts';
import { type Mosquitto, startMosquitto } from '../harness/mosquitto.ts';
import { connectTest, type TestClient } from '../harness/mqtt.ts';
import { type RunningNode, startNode, temporaryFolder } from '../harness/node.ts';
import { hasTool } from '../harness/tools.ts';

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
  return received
    .filter(({ topic }) => topic.startsWith('site/ledge/test/tiny/'))
    .map(({ packet }) => Number(packet.properties?.correlationData?.toString()));
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

  test('killed again and again while the uplink comes and goes, loses nothing', async () => {
    const arrived: number[] = [];
    let acknowledged = 0;
    for (let round = 0; round < 4; round += 1) {
      if (round % 2 === 1) await hub.stop();
      const far = round % 2 === 1 ? undefined : await connectTest(hub.url, ['site/#']);
      const running = await start();
      await using near = await connectTest(running.ready.mqtt);
      for (let at = 0; at < 100; at += 1) {
        await publish(near, acknowledged);
        acknowledged += 1;
      }
      await kill(running);
      if (far !== undefined) arrived.push(...numbersOf(far));
      await far?.[Symbol.asyncDispose]();
      if (round % 2 === 1) await hub.start();
      const read = await verify();
      expect([read.code, read.stderr]).toEqual([0, '']);
    }
    await using far = await connectTest(hub.url, ['site/#']);
    const running = await start();
    await using near = await connectTest(running.ready.mqtt, ['ledge/test/bridge/uplink']);
    await publish(near, acknowledged);
    await far.next(() => numbersOf(far).includes(acknowledged));
    await near.next(({ json }) => {
      const { telemetry } = json.queued as { telemetry: { messages: number } };
      return json.connected === true && telemetry.messages === 0;
    });
    await running.stop();
    arrived.push(...numbersOf(far));
    const read = await verify();
    expect([read.code, read.stderr]).toEqual([0, '']);
    const { uplink, flows: all } = JSON.parse(read.stdout);
    expect(uplink.telemetry).toMatchObject({ queued: 0, dropped: {} });
    expect(uplink.telemetry.acked).toBeGreaterThanOrEqual(acknowledged + 1);
    expect(all.tiny).toMatchObject({ inJournal: 0, queued: 0, inFlight: 0, dropped: {} });
    const missing = Array.from({ length: acknowledged }, (_, at) => at).filter(
      (number) => !arrived.includes(number),
    );
    expect(missing).toEqual([]);
  });
});
