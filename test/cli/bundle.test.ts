import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runCommandLine } from '../../src/cli/command-line.ts';
import { bundleEntries, tarOf, writeFolder } from '../bundle/bundles.ts';
import { ladderFiles, quickModel, slowModel } from '../fixtures/ladder.ts';
import { fourNumbers, tinyFlow, writeFlow } from '../harness/flows.ts';
import { temporaryFolder } from '../harness/node.ts';

const TESTS = [
  'tests:',
  '  - name: four numbers',
  '    event: samples/four.bin',
  '    expect: [{ label: right }]',
].join('\n');

let root: string;
let flows: string;
let config: string;
beforeEach(async () => {
  root = await temporaryFolder();
  flows = join(root, 'flows');
  config = join(root, 'ledge.yaml');
  await mkdir(flows);
  await writeFile(config, `flows: ${JSON.stringify(flows)}\ndata: ${JSON.stringify(root)}\n`);
});
afterEach(() => rm(root, { recursive: true }));

async function run(...words: string[]) {
  let stdout = '';
  let stderr = '';
  const code = await runCommandLine(words, {
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
    signal: new AbortController().signal,
  });
  return { code, stdout, stderr };
}

/** Runs `ledge bundle ... --json` and gives the code and the answer. */
async function bundle(...words: string[]) {
  const { code, stdout, stderr } = await run('bundle', ...words, '--json');
  return { code, stderr, answer: stdout === '' ? undefined : JSON.parse(stdout) };
}

/** A flow of a workshop's own folder, packed and signed by a new key. */
async function packed(more = TESTS) {
  const workshop = join(root, 'workshop');
  await writeFlow(workshop, 'demo', tinyFlow({ more }));
  await mkdir(join(workshop, 'demo/samples'), { recursive: true });
  await writeFile(join(workshop, 'demo/samples/four.bin'), fourNumbers(1, 2, 3, 4));
  const [key, out] = [join(root, 'factory'), join(root, 'demo.ledge')];
  const { answer: keys } = await bundle('keygen', key);
  const { answer } = await bundle(
    ...['pack', join(workshop, 'demo'), '--key', `${key}.key`, '--out', out, '--version', '1.2.0'],
  );
  return { out, keys, answer, publicFile: `${key}.pub`, privateFile: `${key}.key` };
}

/** The label that the flow gives for its own sample. */
async function label(): Promise<string> {
  const { stdout } = await run('flow', 'test', 'demo', '--config', config, '--json');
  const [report] = (JSON.parse(stdout) as { reports: { differences: string[] }[] }).reports;
  return report?.differences.join('') ?? 'no report';
}

test('a bundle goes from a folder to a node', async () => {
  const { out, keys, answer, publicFile } = await packed();
  expect(answer).toMatchObject({
    bundle: out,
    name: 'demo',
    version: '1.2.0',
    files: 3,
    signedBy: [keys.publicKey],
  });
  const verified = await bundle('verify', out, '--trust', publicFile);
  expect(verified).toMatchObject({
    code: 0,
    answer: { valid: true, name: 'demo', trust: 'trusted', key: keys.publicKey },
  });
  const installed = await bundle('install', out, '--config', config, '--trust', publicFile);
  expect(installed).toMatchObject({
    code: 0,
    answer: { installed: true, name: 'demo', version: '1.2.0', replaced: false },
  });
  expect(await label()).toBe('');
  const folder = join(flows, 'demo');
  expect(await bundle('verify', folder, '--trust', publicFile)).toMatchObject({ code: 0 });
});

test('a bundle brings every rung of a ladder, and one that lacks a rung is refused', async () => {
  const files: Record<string, string | Uint8Array> = {
    'flow.yaml': tinyFlow().replace('model.onnx', 'model.yaml'),
    ...ladderFiles([
      { name: 'best', precision: 'fp32', model: slowModel(1) },
      { name: 'quick', precision: 'int8', model: quickModel() },
    ]),
  };
  const workshop = join(root, 'workshop', 'demo');
  await writeFolder(workshop, files);
  const out = join(root, 'demo.ledge');
  expect(await bundle('pack', workshop, '--out', out)).toMatchObject({ answer: { files: 4 } });
  expect(await bundle('install', out, '--config', config)).toMatchObject({ code: 0 });
  expect(await readdir(join(flows, 'demo'))).toEqual(expect.arrayContaining(Object.keys(files)));
  const { 'model.quick.onnx': _, ...rest } = files;
  await writeFile(out, tarOf(bundleEntries({ files: rest })));
  const { code, answer } = await bundle('install', out, '--config', config);
  expect(code).toBe(1);
  expect(answer.error.message).toMatch(/model\.quick\.onnx cannot be read/);
});

test('a new pair of keys keeps its private half to its owner, and never overwrites one', async () => {
  const name = join(root, 'pair');
  expect((await bundle('keygen', name)).code).toBe(0);
  expect((await stat(`${name}.key`)).mode & 0o777).toBe(0o600);
  const before = await readFile(`${name}.key`, 'utf8');
  expect(await bundle('keygen', name)).toMatchObject({
    code: 1,
    answer: { error: { code: 'data-unwritable' } },
  });
  expect(await readFile(`${name}.key`, 'utf8')).toBe(before);
});

test('no answer shows a private key', async () => {
  const { out, privateFile, publicFile } = await packed();
  const secret = (await readFile(privateFile, 'utf8')).split('\n')[1] ?? '';
  const said = await Promise.all([
    bundle('sign', out, '--key', privateFile),
    bundle('sign', out, '--key', publicFile),
    bundle('verify', out, '--trust', privateFile),
  ]);
  expect(said.map(({ code }) => code)).toEqual([0, 1, 1]);
  expect(secret.length).toBeGreaterThan(40);
  expect(JSON.stringify(said)).not.toContain(secret);
});

test.each<[string, string, string]>([
  ['a model outside', tinyFlow().replace('model.onnx', '../../../x.onnx'), 'leaves the flow'],
  ['a model of the system', tinyFlow().replace('model.onnx', '/dev/zero'), 'leaves the flow'],
  [
    'a sample outside',
    tinyFlow({ more: TESTS.replace('samples/four.bin', '../../secret') }),
    'leaves the flow',
  ],
  [
    'a source that is a file',
    tinyFlow({ source: 'device: ../../source.yaml' }),
    'cannot bring a file of a source',
  ],
  ['a stage that there is not', tinyFlow().replace('softmax', 'sofmax'), 'sofmax'],
  ['a model that is not in it', tinyFlow().replace('model.onnx', 'no.onnx'), 'no.onnx'],
  ['a test that fails', tinyFlow({ more: TESTS.replace('right', 'left') }), 'tests fail here'],
  ['a flow file that is none', '][', 'YAML'],
])('a bundle of a flow with %s is refused', async (_, text, problem) => {
  const model = await modelOf();
  const four = fourNumbers(1, 2, 3, 4);
  const entries = bundleEntries({
    files: { 'flow.yaml': text, 'model.onnx': model, 'samples/four.bin': four },
  });
  const path = join(root, 'bad.ledge');
  await writeFile(path, tarOf(entries));
  const { code, answer } = await bundle('install', path, '--config', config);
  expect(code).toBe(1);
  expect(answer.error).toMatchObject({ code: 'flow-invalid' });
  expect(answer.error.message).toContain(problem);
  expect(await readdir(flows)).toEqual([]);
});

async function modelOf(): Promise<Buffer> {
  await writeFlow(join(root, 'models'), 'any', '');
  return readFile(join(root, 'models/any/model.onnx'));
}

describe('with keys under trust', () => {
  test('an unsigned bundle is refused, and a flow that was altered does not load', async () => {
    const { out, publicFile } = await packed();
    const trust = `trust: [${JSON.stringify(publicFile)}]\n`;
    await writeFile(config, (await readFile(config, 'utf8')) + trust);
    const unsigned = join(root, 'unsigned.ledge');
    await bundle('pack', join(root, 'workshop/demo'), '--out', unsigned);
    expect(await bundle('install', unsigned, '--config', config)).toMatchObject({
      code: 1,
      answer: { error: { code: 'bundle-untrusted' } },
    });
    expect(await readdir(flows)).toEqual([]);
    expect((await bundle('install', out, '--config', config)).code).toBe(0);
    expect(await run('check', '--config', config)).toMatchObject({ code: 0 });
    await writeFile(join(flows, 'demo/flow.yaml'), tinyFlow({ topic: 'all/{device}' }));
    const checked = await run('check', '--config', config);
    expect(checked.code).toBe(1);
    expect(checked.stdout).toContain('"flow.yaml" changed');
  });

  test('a key that cannot be read is a problem of the configuration', async () => {
    await writeFile(config, 'trust: [no.pub]\n');
    const { code, stderr } = await run('bundle', 'verify', 'x', '--config', config);
    expect(code).toBe(1);
    expect(stderr).toContain('no.pub');
  });
});

test.each([[[]], [['keygen']], [['pack', 'a', 'b']], [['unpack', 'a']]])(
  '`ledge bundle %j` is wrong usage',
  async (words) => {
    expect(await run('bundle', ...words)).toMatchObject({ code: 2, stdout: '' });
  },
);
