import { expect, test } from 'vitest';
import { freePort } from '../../scripts/free-port.ts';
import { tinyFlow, writeFlows } from '../harness/flows.ts';
import { startNode } from '../harness/node.ts';

test('a node whose broker is not there stops all the same', async () => {
  const flows = await writeFlows({ tiny: tinyFlow() });
  const url = `mqtt://127.0.0.1:${await freePort()}`;
  await using node = await startNode({ flows, args: ['--broker', url] });
  expect(await node.stop()).toBe(0);
});
