import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tinyFlow, writeFlows } from '../harness/flows.ts';
import { connectTest } from '../harness/mqtt.ts';
import { type RunningNode, startNode, temporaryFolder } from '../harness/node.ts';

const BRIDGE = 'ledge/test/bridge';

async function ask(node: RunningNode, request: string, body: object): Promise<unknown> {
  const client = await connectTest(node.ready.mqtt, [`${BRIDGE}/response/#`]);
  const payload = JSON.stringify({ ...body, transaction: 'only' });
  await client.client.publishAsync(`${BRIDGE}/request/${request}`, payload, { qos: 1 });
  const { json } = await client.next(({ topic }) => topic === `${BRIDGE}/response/${request}`);
  await client[Symbol.asyncDispose]();
  return json;
}

const stateOf = ({ ready }: RunningNode) => ready.flows.find(({ name }) => name === 'tiny')?.state;

test('a flow that was disabled stays so when its file changes and over a restart', async () => {
  const data = await temporaryFolder();
  const flows = await writeFlows({ tiny: tinyFlow() });
  try {
    await using first = await startNode({ flows, data });
    expect(stateOf(first)).toBe('running');
    expect(await ask(first, 'flow/disable', { name: 'tiny' })).toMatchObject({ status: 'ok' });
    await writeFile(join(flows, 'tiny', 'flow.yaml'), `${tinyFlow()}\n# changed\n`);
    expect(await ask(first, 'flow/reload', { name: 'tiny' })).toMatchObject({ status: 'ok' });
    const off = { data: { flows: [{ name: 'tiny', state: 'disabled' }] } };
    expect(await ask(first, 'flows', {})).toMatchObject(off);
    await first.stop();

    await using second = await startNode({ flows, data });
    expect(stateOf(second)).toBe('disabled');
    expect(await ask(second, 'flow/enable', { name: 'tiny' })).toMatchObject({ status: 'ok' });
    await second.stop();

    await using third = await startNode({ flows, data });
    expect(stateOf(third)).toBe('running');
  } finally {
    await rm(data, { recursive: true, force: true });
    await rm(flows, { recursive: true, force: true });
  }
});
