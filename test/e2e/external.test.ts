import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { fourNumbers, tinyFlow, writeFlows } from '../harness/flows.ts';
import { type Mosquitto, startMosquitto } from '../harness/mosquitto.ts';
import { connectTest } from '../harness/mqtt.ts';
import { startNode } from '../harness/node.ts';
import { hasTool } from '../harness/tools.ts';

let flows: string;

beforeAll(async () => {
  flows = await writeFlows({ tiny: tinyFlow() });
});

afterAll(() => rm(flows, { recursive: true }));

async function openMosquitto(begin: 'on' | 'off'): Promise<Mosquitto> {
  const broker = await startMosquitto({ begin });
  onTestFinished(() => broker.remove());
  return broker;
}

describe.skipIf(!hasTool('mosquitto'))(
  'a node on an external broker (skipped without mosquitto)',
  () => {
    test('takes events and publishes results there', async () => {
      const broker = await openMosquitto('on');
      await using node = await startNode({ flows, args: ['--broker', broker.url] });
      expect(node.ready.mqtt).toBe(broker.url);
      await using client = await connectTest(broker.url, ['ledge/test/#']);
      await client.client.publishAsync('in/a', fourNumbers(1, 2, 3, 4), { qos: 1 });
      const { json } = await client.next(({ topic }) => topic === 'ledge/test/tiny/a');
      expect(json).toMatchObject({ flow: 'tiny', result: { label: expect.any(String) } });
    });

    test('leaves its last will when it is killed', async () => {
      const broker = await openMosquitto('on');
      const node = await startNode({ flows, args: ['--broker', broker.url] });
      await using client = await connectTest(broker.url, ['ledge/test/bridge/state']);
      await client.next(({ json }) => json.state === 'online');
      node.process.kill('SIGKILL');
      await client.next(({ json }) => json.state === 'offline');
      await node[Symbol.asyncDispose]();
    });

    test('starts before its broker does, and works once that is up', async () => {
      const broker = await openMosquitto('off');
      await using node = await startNode({ flows, args: ['--broker', broker.url] });
      expect(node.ready.flows).toMatchObject([{ name: 'tiny', state: 'running' }]);
      await broker.start();
      await using client = await connectTest(broker.url, ['ledge/test/#']);
      await client.next(
        ({ topic, json }) => topic.endsWith('/bridge/state') && json.state === 'online',
      );
      await client.client.publishAsync('in/late', fourNumbers(1, 2, 3, 4), { qos: 1 });
      await client.next(({ topic }) => topic === 'ledge/test/tiny/late');
    });

    test('an event published while the node was dead is worked on when it is back', async () => {
      const broker = await openMosquitto('on');
      const first = await startNode({ flows, args: ['--broker', broker.url] });
      first.process.kill('SIGKILL');
      await first[Symbol.asyncDispose]();
      await using client = await connectTest(broker.url, ['ledge/test/tiny/+']);
      await client.client.publishAsync('in/meanwhile', fourNumbers(1, 2, 3, 4), { qos: 1 });
      await using _node = await startNode({ flows, args: ['--broker', broker.url] });
      await client.next(({ topic }) => topic === 'ledge/test/tiny/meanwhile');
    });
  },
);
