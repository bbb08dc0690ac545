import { createHash } from 'node:crypto';
import { copyFile, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { castModel, matmulModel, modelBytes } from '../fixtures/onnx-models.ts';
import { fourNumbers, tinyFlow, writeFlow, writeFlows } from '../harness/flows.ts';
import { connectTest, type TestClient } from '../harness/mqtt.ts';
import { type RunningNode, startNode } from '../harness/node.ts';
import { sharedData } from '../harness/shared-data.ts';

const BRIDGE = 'ledge/test/bridge';
const HOSTILE = sharedData('models/hostile');

/** Some 4 MB of weights: more than `hungry` leaves of the budget below. */
const LARGE = modelBytes(matmulModel({ inputs: 4, outputs: 8_000_000 }));
const BUDGET_BYTES = 100_000_000;

const SMALL = modelBytes(matmulModel({ inputs: 4, outputs: 2 }));

/** A flow.yaml, and other files beside it; each is a flow that cannot run. */
interface BadFlow {
  readonly text: string;
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  readonly problem: RegExp;
}

function manifest(change: Readonly<Record<string, unknown>>): string {
  const tensor = (name: string, size: number) => ({ name, type: 'float32', shape: ['N', size] });
  const stated = {
    name: 'tiny',
    version: '1',
    sha256: createHash('sha256').update(SMALL).digest('hex'),
    precision: 'fp32',
    inputs: [tensor('x', 4)],
    outputs: [tensor('y', 2)],
  };
  return JSON.stringify({ ...stated, ...change });
}

const withManifest = (topic: string) => tinyFlow({ topic }).replace('model.onnx', 'model.yaml');

/** Each level has nine of the level before: 9^12 values where somebody follows them. */
const ALIAS_BOMB = Array.from({ length: 12 }, (_, level) => {
  const item = level === 0 ? 'x' : `*a${level - 1}`;
  return `a${level}: &a${level} [${Array(9).fill(item).join(', ')}]`;
}).join('\n');

const BAD: Readonly<Record<string, BadFlow>> = {
  'unknown-stage': {
    text: tinyFlow({ topic: 'bad-0/{device}' }).replace('softmax', 'sofmax'),
    problem: /flow\.yaml:5: steps\.2\.sofmax: .*a stage; did you mean "softmax"\?/,
  },
  'wrong-shape': {
    text: tinyFlow({ topic: 'bad-1/{device}' }).replace('[4]', '[2, 5]'),
    problem: /flow\.yaml:4: steps\.1\.predict.*\[2, ?5\].*\[(N|\?), ?4\]|\[(N|\?), ?4\].*\[2, ?5\]/,
  },
  'alias-bomb': {
    text: `${ALIAS_BOMB}\nsteps: *a11`,
    problem: /at most 64 alias expansions, of known anchors/,
  },
  'deep-yaml': { text: `steps: ${'['.repeat(100_000)}`, problem: /at most 64 problems; \d+ more/ },
  'long-yaml': { text: `# ${'x'.repeat(1_100_000)}`, problem: /1100002 characters.*1048576/ },
  'no-yaml': { text: 'steps: [}', problem: /flow\.yaml:1: expected YAML/ },
  'no-model': {
    text: tinyFlow({ topic: 'bad-2/{device}' }).replace('model.onnx', 'other.onnx'),
    problem: /flow\.yaml:4: steps\.1\.predict.*other\.onnx/,
  },
  'damaged-model': {
    text: tinyFlow({ topic: 'bad-3/{device}' }),
    files: { 'model.onnx': SMALL.map((byte, at) => (at % 3 === 0 ? byte ^ 0xff : byte)) },
    problem: /flow\.yaml:4: steps\.1\.predict.*Cannot load model "damaged-model"/,
  },
  'cut-model': {
    text: tinyFlow({ topic: 'bad-4/{device}' }),
    files: { 'model.onnx': SMALL.subarray(0, SMALL.length / 2) },
    problem: /Cannot load model "cut-model"/,
  },
  'empty-model': {
    text: tinyFlow({ topic: 'bad-5/{device}' }),
    files: { 'model.onnx': '' },
    problem: /Cannot load model "empty-model"/,
  },
  'swapped-model': {
    text: withManifest('bad-6/{device}'),
    files: { 'model.yaml': manifest({ sha256: '0'.repeat(64) }) },
    problem: /Cannot load model "tiny": .*has sha256 [0-9a-f]{64}, model\.yaml says 0{64}/,
  },
  'lying-manifest': {
    text: withManifest('bad-7/{device}'),
    files: {
      'model.yaml': manifest({ outputs: [{ name: 'y', type: 'float32', shape: ['N', 3] }] }),
    },
    problem: /output "y" has shape \[\?, 3\], the file says \[\?, 2\]/,
  },
  'int4-model': {
    text: [
      "source: { topic: 'bad-8/{device}' }",
      'steps: [{ float32: { shape: [4] } }, { predict: { model: model.onnx } }]',
    ].join('\n'),
    files: { 'model.onnx': modelBytes(castModel('int4')) },
    problem: /Cannot load model "int4-model": .*int4/,
  },
  hungry: {
    text: tinyFlow({ topic: 'bad-9/{device}' }),
    files: { 'model.onnx': LARGE },
    problem: /"hungry": it needs 122\.\d MiB, [\d.]+ MiB of 95\.4 MiB are in use/,
  },
  'same-topic': {
    text: tinyFlow({
      topic: 'bad-a/{device}',
      more: "sink: { topic: 'ledge/test/good/{device}' }",
    }),
    problem: /sink\.topic: found "?ledge\/test\/good\/\{device\}"?, .*flow "good"/,
  },
  'no-device': {
    text: tinyFlow({ topic: 'bad/topic' }),
    problem: /source\.topic: found "bad\/topic", .*\{device\}/,
  },
};

let node: RunningNode;
let flows: string;
let client: TestClient;
let events = 0;
let hostile: readonly string[] = [];

beforeAll(async () => {
  flows = await writeFlows({ good: tinyFlow({ topic: 'good/{device}' }) });
  for (const [name, { text, files = {} }] of Object.entries(BAD)) {
    await writeFlow(flows, name, text);
    for (const [file, content] of Object.entries(files)) {
      await writeFile(join(flows, name, file), content);
    }
  }
  if (HOSTILE !== undefined) {
    hostile = (await readdir(HOSTILE)).filter((file) => file.endsWith('.onnx'));
    for (const file of hostile) {
      const name = `hostile-${hostile.indexOf(file)}`;
      const text = `source: { topic: '${name}/{device}' }\nsteps: [{ float32: { shape: [4] } }, { predict: { model: model.onnx } }]`;
      await writeFlow(flows, name, text);
      await copyFile(join(HOSTILE, file), join(flows, name, 'model.onnx'));
    }
  }
  const args = ['--set', `inference.memoryBytesMax=${BUDGET_BYTES}`];
  node = await startNode({ flows, args });
  client = await connectTest(node.ready.mqtt, [`${BRIDGE}/#`, 'ledge/test/+/+']);
});

afterAll(async () => {
  await client[Symbol.asyncDispose]();
  await node.stop();
  await rm(flows, { recursive: true });
});

async function ask(request: string, payload: object): Promise<Record<string, unknown>> {
  const transaction = `t${events++}`;
  const body = JSON.stringify({ ...payload, transaction });
  await client.client.publishAsync(`${BRIDGE}/request/${request}`, body, { qos: 1 });
  const reply = await client.next(
    ({ topic, json }) =>
      topic === `${BRIDGE}/response/${request}` && json.transaction === transaction,
  );
  return reply.json;
}

async function labelFrom(flow: string): Promise<unknown> {
  const device = `device-${events++}`;
  await client.client.publishAsync(`${flow}/${device}`, fourNumbers(4, 3, 2, 1), { qos: 1 });
  const { json } = await client.next(({ topic }) => topic === `ledge/test/${flow}/${device}`);
  return (json.result as { label: string }).label;
}

interface Listed {
  readonly name: string;
  readonly state: string;
  readonly problems: readonly string[];
}

async function listed(name: string): Promise<Listed> {
  const { data } = await ask('flows', {});
  return (data as { flows: Listed[] }).flows.find((flow) => flow.name === name) as Listed;
}

describe('a flow', () => {
  test.each(Object.entries(BAD))('%s is refused, and says why', async (name, { problem }) => {
    const { state, problems } = await listed(name);
    expect(problems.join('\n')).toMatch(problem);
    expect(state).toBe('failed');
    const refusal = node.log.find(
      ({ flow, message }) => flow === name && message === 'Flow refused',
    );
    expect(refusal).toMatchObject({ level: 'error', problems });
    expect(await labelFrom('good')).toMatch(/left|right/);
  });
});

describe.skipIf(HOSTILE === undefined)(
  'a model that kills or fails the runtime (skipped without ../shared/data/models/hostile)',
  () => {
    test('is refused as a flow, with its reason', async () => {
      expect(hostile.length).toBeGreaterThanOrEqual(5);
      for (const file of hostile) {
        const { state, problems } = await listed(`hostile-${hostile.indexOf(file)}`);
        expect({ file, state }).toEqual({ file, state: 'failed' });
        expect(problems.join(), file).toMatch(
          /steps\.1\.predict.*Cannot load model "hostile-\d": ./,
        );
      }
      expect(await labelFrom('good')).toMatch(/left|right/);
    });
  },
);

describe('a model that is swapped under a running flow', () => {
  test('does not replace it where the sha256 is another, and does where it is right', async () => {
    const folder = join(flows, 'swap');
    await writeFlow(flows, 'swap', withManifest('swap/{device}'));
    await writeFile(join(folder, 'model.yaml'), manifest({}));
    // A scan of the folder may have met it half written.
    await ask('flow/reload', { name: 'swap' }).then(() => ask('flow/reload', { name: 'swap' }));
    const before = await labelFrom('swap');
    const other = negated();
    await writeFile(join(folder, 'model.onnx'), other);
    const refused = await ask('flow/reload', { name: 'swap' });
    expect(refused).toMatchObject({ status: 'error', error: expect.stringMatching(/sha256/) });
    expect(await listed('swap')).toMatchObject({
      state: 'running',
      problems: [expect.stringMatching(/model\.yaml says/)],
    });
    expect(await labelFrom('swap')).toBe(before);
    const sha256 = createHash('sha256').update(other).digest('hex');
    await writeFile(join(folder, 'model.yaml'), manifest({ sha256 }));
    expect(await ask('flow/reload', { name: 'swap' })).toMatchObject({ status: 'ok' });
    expect(await listed('swap')).toMatchObject({ state: 'running', problems: [] });
    expect(await labelFrom('swap')).not.toBe(before);
  });

  /** The small model with its two outputs the other way round. */
  function negated(): Uint8Array {
    const fixture = matmulModel({ inputs: 4, outputs: 2 });
    const [weights] = fixture.graph?.initializers ?? [];
    const raw = weights?.rawData as Uint8Array;
    const values = new Float32Array(raw.slice().buffer).map((value) => -value);
    const initializers = [{ ...weights, rawData: new Uint8Array(values.buffer) }];
    const graph = { ...fixture.graph, initializers };
    return modelBytes({ ...fixture, graph } as typeof fixture);
  }
});

test('a reload of every flow takes what is good and tells what is not', async () => {
  await writeFile(
    join(flows, 'unknown-stage', 'flow.yaml'),
    tinyFlow({ topic: 'unknown-stage/{device}' }),
  );
  const reply = await ask('flow/reload', {});
  expect(reply.status).toBe('error');
  expect(reply.error).toMatch(/"alias-bomb" was not reloaded[\s\S]*"wrong-shape" was not reloaded/);
  expect(await listed('unknown-stage')).toMatchObject({ state: 'running', problems: [] });
  expect(await labelFrom('unknown-stage')).toMatch(/left|right/);
  expect(await labelFrom('good')).toMatch(/left|right/);
});

test('a flow that was mended starts at the next reload', async () => {
  const file = join(flows, 'wrong-shape', 'flow.yaml');
  const text = (await readFile(file, 'utf8')).replace('[2, 5]', '[4]');
  await writeFile(file, text.replace('bad-1', 'wrong-shape'));
  expect(await ask('flow/reload', { name: 'wrong-shape' })).toMatchObject({ status: 'ok' });
  expect(await labelFrom('wrong-shape')).toMatch(/left|right/);
});
