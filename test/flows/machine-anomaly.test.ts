import { execFile } from 'node:child_process';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openClient } from '../../src/bus/client.ts';
import type { ReplaySummary } from '../../src/devices/replay.ts';
import { packagePath } from '../../src/std/package.ts';
import { createInbox } from '../harness/inbox.ts';
import { type RunningNode, startNode, temporaryFolder } from '../harness/node.ts';

const run = promisify(execFile);

let root = '';

beforeAll(async () => {
  root = await temporaryFolder();
  const from = packagePath('flows/machine-anomaly');
  await cp(from, join(root, 'flows', 'machine-anomaly'), { recursive: true });
});
afterAll(() => rm(root, { recursive: true }));

const start = () => startNode({ flows: join(root, 'flows'), data: root });

/** Replays one file of the samples; gives the results and how it went. */
async function replay(node: RunningNode, file: string) {
  const { stdout } = await run(process.execPath, [
    packagePath('dist/cli/main.js'),
    'replay',
    packagePath('flows/machine-anomaly/samples', file),
    ...['--broker', node.ready.mqtt, '--speed', '5000', '--wait', '1', '--json'],
  ]);
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const { summary } = lines.at(-1) as { summary: ReplaySummary };
  return { summary, results: lines.slice(0, -1).map(({ result }) => result) };
}

/** Asks the node to forget what it learned of the device that replays; gives its answer. */
async function relearn(node: RunningNode): Promise<unknown> {
  await using client = await openClient({ url: node.ready.mqtt });
  const inbox = createInbox();
  const topic = 'ledge/test/bridge/response/flow/relearn';
  await client.subscribe(topic, { qos: 1 }, inbox.handler);
  await client.publish({
    topic: 'ledge/test/bridge/request/flow/relearn',
    payload: Buffer.from(JSON.stringify({ name: 'machine-anomaly', device: 'replay' })),
    qos: 1,
    retain: false,
  });
  await inbox.count(1);
  return JSON.parse(inbox.texts[0] as string);
}

describe('the flow machine-anomaly on a node', () => {
  test('keeps what it learned over a restart, and learns again when told to', async () => {
    {
      await using node = await start();
      expect((await replay(node, 'pump-1-normal.jsonl')).summary.answered).toBe(100);
    }
    await using node = await start();
    const { summary, results } = await replay(node, 'pump-2-faults.jsonl');
    expect(summary).toMatchObject({ events: 260, answered: 260 });
    expect(results.slice(0, 50).every(({ anomaly }) => anomaly === false)).toBe(true);
    expect(results.slice(80, 130).every(({ anomaly }) => anomaly === true)).toBe(true);
    expect(results.at(-1)).toMatchObject({ anomaly: true, top: [{ field: 'pressure' }, {}, {}] });

    expect(await relearn(node)).toMatchObject({ status: 'ok', data: { forgotten: 1 } });
    const again = await replay(node, 'pump-1-normal.jsonl');
    expect(again.summary).toMatchObject({ answered: 100, unanswered: 400 });
  });
});
