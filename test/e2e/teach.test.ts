import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packagePath } from '../../src/std/package.ts';
import { chirp } from '../fixtures/chirps.ts';
import { ledge } from '../harness/cli.ts';
import { connectTest, type TestClient } from '../harness/mqtt.ts';
import { type RunningNode, startNode, temporaryFolder } from '../harness/node.ts';

const BRIDGE = 'ledge/test/bridge';
const FLOW = 'keyword-spotting';
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');

async function copyFlow(root: string): Promise<string> {
  const folder = join(root, FLOW);
  await cp(packagePath('flows', FLOW), folder, { recursive: true });
  return folder;
}

describe('ledge teach', () => {
  let root: string;
  let folder: string;
  const clips: string[] = [];
  beforeAll(async () => {
    root = await temporaryFolder();
    folder = await copyFlow(join(root, 'flows'));
    await mkdir(join(root, 'clips'));
    for (let seed = 1; seed <= 8; seed += 1) {
      const file = join(root, 'clips', `chirp-${seed}.wav`);
      await writeFile(file, chirp(seed));
      clips.push(file);
    }
  });
  afterAll(() => rm(root, { recursive: true }));
  const teach = (...words: string[]) =>
    ledge(['teach', FLOW, '--flows', join(root, 'flows'), '--json', ...words]);
  const heard = async (file: string) => {
    const words = ['flow', 'trace', FLOW, file, '--flows', join(root, 'flows'), '--json'];
    const { stdout } = await ledge(words);
    return JSON.parse(stdout).results[0].result.label;
  };

  test('a label is learned from files, known afterwards, and taken back', async () => {
    const before = await readFile(join(folder, 'model.yaml'), 'utf8');
    const { code, stdout, stderr } = await teach('--label', 'chirp', ...clips.slice(0, 5));
    expect([code, stderr]).toEqual([0, '']);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ version: 1, label: 'chirp', tests: { passed: 13, of: 13 } });
    expect(report.taught[0].of).toBe(5);
    expect(report.taught[0].recognised).toBeGreaterThanOrEqual(4);
    expect(await heard(clips[7] ?? '')).toBe('chirp');
    expect(await heard(join(folder, 'samples', 'yes.wav'))).toBe('yes');
    expect(JSON.parse((await teach()).stdout)).toMatchObject({ current: 1, versions: [0, 1] });
    expect((await teach('--back', '0')).code).toBe(0);
    expect(await readFile(join(folder, 'model.yaml'), 'utf8')).toBe(before);
    expect(await heard(clips[7] ?? '')).not.toBe('chirp');
  });

  test('examples add to those of before', async () => {
    await teach('--label', 'more', ...clips.slice(0, 3));
    const { stdout } = await teach('--label', 'more', ...clips.slice(3, 5));
    expect(JSON.parse(stdout).taught).toMatchObject([{ label: 'more', of: 5 }]);
  });

  test('a background of the known labels is kept with the flow', async () => {
    const words = join(root, 'words');
    await cp(join(folder, 'samples'), words, {
      recursive: true,
      filter: (path) => !/\.[a-z]+$/.test(path) || path.endsWith('.wav'),
    });
    const { code, stdout, stderr } = await teach('--background', words);
    expect([code, stderr]).toEqual([0, '']);
    expect(Object.keys(JSON.parse(stdout).labels)).toContain('yes');
    await teach('--back', '0');
    const taught = await teach('--label', 'again', ...clips.slice(0, 4));
    expect([taught.code, taught.stderr]).toEqual([0, '']);
  });

  test.each([
    [
      'a label of the model',
      ['--label', 'yes'],
      2,
      'the model "keyword-spotting" was trained on it',
    ],
    ['one example', ['--label', 'chirp'], 1, '1 examples were given, 2 to 64 are taken'],
    ['a version that is none', ['--back', 'two'], 0, '--back is "two", no version\'s number'],
    ['a version that is not there', ['--back', '77'], 0, 'there is no version 77'],
  ])('%s is refused, and nothing is written', async (_, words, files, message) => {
    const before = await readFile(join(folder, 'model.yaml'), 'utf8');
    const { code, stderr } = await teach(...words, ...clips.slice(0, files));
    expect(code).toBe(1);
    expect(stderr).toContain(message);
    expect(await readFile(join(folder, 'model.yaml'), 'utf8')).toBe(before);
  });

  test('an example that the flow cannot read is named', async () => {
    const bad = join(root, 'bad.wav');
    await writeFile(bad, 'RIFF, but no more');
    const { code, stderr } = await teach('--label', 'chirp', clips[0] ?? '', bad);
    expect(code).toBe(1);
    expect(stderr).toContain('Cannot learn from "bad.wav"');
  });
});

describe('a node that is taught over MQTT', () => {
  let root: string;
  let node: RunningNode;
  let client: TestClient;
  beforeAll(async () => {
    root = await temporaryFolder();
    await copyFlow(root);
    node = await startNode({ flows: root });
    client = await connectTest(node.ready.mqtt, [`${BRIDGE}/#`, `ledge/test/${FLOW}/+`]);
  });
  afterAll(async () => {
    await client[Symbol.asyncDispose]();
    await node.stop();
    await rm(root, { recursive: true });
  });

  const sendRequest = (request: string, body: object) =>
    client.client.publishAsync(`${BRIDGE}/request/${request}`, JSON.stringify(body), { qos: 1 });
  const answerTo = async (transaction: string) => {
    const reply = await client.next(
      ({ topic, payload }) => topic.includes('/response/') && payload.includes(`"${transaction}"`),
    );
    return reply.json as { status: string; error?: string; data: Record<string, unknown> };
  };
  const sayTo = (device: string, seed: number) =>
    client.client.publishAsync(`ledge/in/voice/${device}`, Buffer.from(chirp(seed)), {
      qos: 1,
      properties: { contentType: 'audio/wav' },
    });
  const heardBy = async (device: string) => {
    const found = await client.next(({ topic }) => topic === `ledge/test/${FLOW}/${device}`);
    return (found.json as { result: { label: string } }).result.label;
  };

  test('examples in the request become a label of its results, until they are taken back', async () => {
    const examples = [1, 2, 3, 4, 5].map((seed) => base64(chirp(seed)));
    await sendRequest('flow/teach', { name: FLOW, label: 'chirp', examples, transaction: 'teach' });
    expect(await answerTo('teach')).toMatchObject({ status: 'ok', data: { version: 1 } });
    await sayTo('taught', 9);
    expect(await heardBy('taught')).toBe('chirp');
    await sendRequest('flow/teach-back', { name: FLOW, transaction: 'back' });
    expect(await answerTo('back')).toMatchObject({ status: 'ok', data: { version: 0 } });
    await sayTo('as-before', 9);
    expect(await heardBy('as-before')).not.toBe('chirp');
  });

  test('the next events of a device become examples', async () => {
    const request = {
      name: FLOW,
      label: 'rise',
      device: 'bench',
      collect: 4,
      transaction: 'collect',
    };
    await sendRequest('flow/teach', request);
    // The request is under way once the node has answered a later one.
    await sendRequest('flows', { transaction: 'listed' });
    await answerTo('listed');
    for (const seed of [1, 2, 3, 4]) await sayTo('bench', seed);
    expect(await answerTo('collect')).toMatchObject({ status: 'ok', data: { label: 'rise' } });
    await sayTo('collected', 9);
    expect(await heardBy('collected')).toBe('rise');
  });

  test.each([
    [
      'a flow that is not there',
      { name: 'nothing', label: 'a', examples: ['AA==', 'AA=='] },
      'There is no flow "nothing"',
    ],
    [
      'neither examples nor a device',
      { name: FLOW, label: 'a' },
      'either `examples`, or `device` and `collect`',
    ],
    [
      'examples that are no sound',
      { name: FLOW, label: 'a', examples: ['AA==', 'AA=='] },
      'Cannot learn from "a-1"',
    ],
    [
      'events that do not come',
      { name: FLOW, label: 'a', device: 'mute', collect: 2, withinSeconds: 0.2 },
      '0 of 2 came',
    ],
  ])('%s is told', async (what, request, message) => {
    const transaction = what.replaceAll(' ', '-');
    await sendRequest('flow/teach', { ...request, transaction });
    const { status, error } = await answerTo(transaction);
    expect([status, error]).toEqual(['error', expect.stringContaining(message)]);
  });
});
