import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { connectAsync, type IClientOptions, type IPublishPacket, type MqttClient } from 'mqtt';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { freePort } from '../../scripts/free-port.ts';
import { type RunningNode, startNode, temporaryFolder } from '../harness/node.ts';

let data: string;
let flows: string;
let port: number;
let node: RunningNode | undefined;

beforeEach(async () => {
  data = await temporaryFolder();
  flows = join(data, 'no-flows');
  await mkdir(flows);
  port = await freePort();
  node = undefined;
});
afterEach(async () => {
  await node?.stop();
  await rm(data, { recursive: true, force: true });
});

async function start(): Promise<void> {
  node = await startNode({ data, flows, args: ['--port', String(port), '--http-port', '0'] });
}

/** Ends the node as a power cut would. */
async function kill(): Promise<void> {
  const ended = once(node?.process as NonNullable<typeof node>['process'], 'exit');
  node?.process.kill('SIGKILL');
  await ended;
}

function connect(clientId: string, options: IClientOptions = {}): Promise<MqttClient> {
  return connectAsync(`mqtt://127.0.0.1:${port}`, {
    protocolVersion: 5,
    clientId,
    clean: false,
    properties: { sessionExpiryInterval: 3600 },
    reconnectPeriod: 50,
    // Numbers of what is in flight stay the same over reconnects.
    resubscribe: false,
    ...options,
  });
}

interface Got {
  readonly payload: string;
  readonly packet: IPublishPacket;
}

/** Remembers what a client receives; resolves at the message `end`. */
function collect(client: MqttClient): { readonly got: Got[]; readonly end: Promise<void> } {
  const got: Got[] = [];
  const end = new Promise<void>((resolve) => {
    client.on('message', (_, payload, packet) => {
      if (payload.toString() === 'end') resolve();
      else got.push({ payload: payload.toString(), packet });
    });
  });
  return { got, end };
}

/** Each text once, in the order of its first coming. */
function firsts(got: readonly Got[]): string[] {
  return [...new Set(got.map(({ payload }) => payload))];
}

const numbers = (count: number) => Array.from({ length: count }, (_, at) => String(at));

describe('a node that is killed', () => {
  test.each([
    [1, 4],
    [1, 5],
    [2, 4],
    [2, 5],
  ] as const)(
    'QoS %i of version %i: keeps what waits for an absent client',
    async (qos, version) => {
      await start();
      const options: IClientOptions =
        version === 4 ? { protocolVersion: 4, properties: {} } : { protocolVersion: 5 };
      const reader = await connect('reader', options);
      await reader.subscribeAsync('events/#', { qos });
      await reader.endAsync();
      const writer = await connect('writer');
      await Promise.all(numbers(300).map((text) => writer.publishAsync('events/a', text, { qos })));
      await kill();
      await start();
      const again = await connect('reader', { ...options, manualConnect: false });
      const { got, end } = collect(again);
      await writer.publishAsync('events/a', 'end', { qos });
      await end;
      expect(got.map(({ payload }) => payload)).toEqual(numbers(300));
      expect(got.every(({ packet }) => packet.qos === qos)).toBe(true);
      await Promise.all([again.endAsync(true), writer.endAsync(true)]);
    },
  );

  test.each([1, 2] as const)(
    'QoS %i: loses nothing over five kills under load, and keeps the order',
    async (qos) => {
      await start();
      const reader = await connect('reader');
      await reader.subscribeAsync('events/#', { qos });
      const { got, end } = collect(reader);
      const writer = await connect('writer');
      let acknowledged = 0;
      const sending = (async () => {
        const open = new Set<Promise<unknown>>();
        for (const text of numbers(3_000)) {
          const sent = writer.publishAsync('events/a', text, { qos }).then(() => {
            acknowledged += 1;
            open.delete(sent);
          });
          open.add(sent);
          if (open.size >= 20) await Promise.race(open);
        }
        await Promise.all(open);
      })();
      for (let round = 1; round <= 5; round += 1) {
        while (acknowledged < round * 450) await new Promise((resolve) => setImmediate(resolve));
        await kill();
        await start();
      }
      await sending;
      await writer.publishAsync('events/a', 'end', { qos });
      await end;
      expect(firsts(got)).toEqual(numbers(3_000));
      if (qos === 2) expect(got).toHaveLength(3_000);
      await Promise.all([reader.endAsync(true), writer.endAsync(true)]);
    },
    120_000,
  );

  test('keeps retained messages and subscriptions, and says that its clients are gone', async () => {
    await start();
    const reader = await connect('reader');
    await reader.subscribeAsync('gone/#', { qos: 1 });
    await reader.endAsync();
    const will = { topic: 'gone/device', payload: Buffer.from('dead'), qos: 1 as const };
    const device = await connect('device', { will: { ...will, retain: true }, reconnectPeriod: 0 });
    await device.publishAsync('state/device', 'on', { qos: 1, retain: true });
    await kill();
    device.end(true);
    await start();
    const again = await connect('reader');
    const heard = new Promise<string>((resolve) => {
      again.on('message', (topic, payload) => resolve(`${topic} ${payload}`));
    });
    expect(await heard).toBe('gone/device dead');
    const other = await connect('other', { clean: true });
    const retained = new Promise<string>((resolve) => {
      other.on('message', (_, payload, packet) => resolve(`${payload} ${packet.retain}`));
    });
    await other.subscribeAsync('state/+', { qos: 1 });
    expect(await retained).toBe('on true');
    await Promise.all([again.endAsync(true), other.endAsync(true)]);
  });
});
