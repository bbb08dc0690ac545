import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { NodeConfig } from '../../src/node/config.ts';
import { configSchema, NAME } from '../../src/node/config.ts';
import {
  type ConfigSources,
  fieldNames,
  loadConfig,
  loadConfigProblems,
} from '../../src/node/config-load.ts';
import { formatProblem } from '../../src/std/yaml.ts';
import { temporaryFolder } from '../harness/node.ts';

let folder: string;
let files = 0;

beforeAll(async () => {
  folder = await temporaryFolder();
});

afterAll(() => rm(folder, { recursive: true }));

/** The configuration of a file with this text, and of what else is given. */
async function load(text: string, more: Partial<ConfigSources> = {}): Promise<NodeConfig> {
  const file = join(folder, `${files++}.yaml`);
  await writeFile(file, text);
  return loadConfig({ file, environment: {}, set: [], options: [], ...more });
}

/** The problems as they are printed, without the folder. */
async function problemsOf(text: string, more: Partial<ConfigSources> = {}): Promise<string[]> {
  const failed = await load(text, more).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (failed === undefined) return [];
  return loadConfigProblems(failed).map((problem) =>
    formatProblem(problem).replace(/^.*[/\\]\d+\.yaml/, 'file'),
  );
}

test('everything has a default', async () => {
  const config = await load('');
  expect(config).toMatchObject({
    data: 'data',
    broker: { host: '127.0.0.1', port: 1883 },
    http: { enabled: true, host: '127.0.0.1', port: 9001 },
    health: { intervalSeconds: 30 },
    log: { level: 'info' },
    drainSeconds: 10,
  });
  expect(config.node).toMatch(NAME);
  expect(config.broker.url).toBeUndefined();
});

describe('a later source overrides an earlier one', () => {
  const environment = { LEDGE_NODE: 'variable', LEDGE_BROKER__PORT: '2', OTHER: 'x' };
  const set = ['node=set', 'http.port=3'];
  const options = [['node', 'option']] as const;

  test.each<[string, string, Partial<ConfigSources>, string]>([
    ['the file', 'node: file', {}, 'file'],
    ['a variable', 'node: file', { environment }, 'variable'],
    ['--set', 'node: file', { environment, set }, 'set'],
    ['an option', 'node: file', { environment, set, options }, 'option'],
  ])('%s', async (_, text, more, node) => {
    expect((await load(text, more)).node).toBe(node);
  });

  test('field by field', async () => {
    const config = await load('broker: { port: 1, connectionsMax: 7 }', {
      environment,
      set,
      options,
    });
    expect(config.broker).toMatchObject({ port: 2, connectionsMax: 7 });
    expect(config.http.port).toBe(3);
  });
});

test.each<[string, string, unknown]>([
  ['LEDGE_INFERENCE__TIMEOUT_MS', '50', { inference: { timeoutMs: 50 } }],
  ['LEDGE_HTTP__ENABLED', 'false', { http: { enabled: false } }],
  ['LEDGE_HEALTH__INTERVAL_SECONDS', '0.5', { health: { intervalSeconds: 0.5 } }],
  ['LEDGE_BROKER__PASSWORD_FILE', '@secret', { broker: { passwordFile: '@secret' } }],
  ['LEDGE_FLOWS', 'my flows', { flows: 'my flows' }],
])('the variable %s=%s sets its field', async (name, text, expected) => {
  expect(await load('', { environment: { [name]: text } })).toMatchObject(expected as object);
});

test.each<[string, string[], unknown]>([
  ['a URL', ['broker=mqtt://10.0.0.1'], { url: 'mqtt://10.0.0.1' }],
  ['a URL and a field beside it', ['broker=mqtt://h', 'broker.username=me'], { username: 'me' }],
  ['fields', ['broker.url=wss://h/mqtt'], { url: 'wss://h/mqtt', host: '127.0.0.1' }],
])('a broker is given as %s', async (_, set, expected) => {
  expect((await load('', { set })).broker).toMatchObject(expected as object);
});

test('a broker URL of the file keeps its place when a field is set beside it', async () => {
  const config = await load('broker: mqtts://h:8883', { set: ['broker.passwordFile=x'] });
  expect(config.broker).toMatchObject({ url: 'mqtts://h:8883', passwordFile: 'x' });
});

describe('a problem is told', () => {
  test.each<[string, string, Partial<ConfigSources>, (string | RegExp)[]]>([
    [
      'for an unknown key, with the nearest name and its line',
      'node: a\nbrokr: {}',
      {},
      ['file:2: brokr: expected a known field; did you mean "broker"?'],
    ],
    [
      'for an unknown key of a part',
      'broker:\n  prot: 1\nhttp: { hots: h }',
      {},
      [/^file:2: broker\.prot: .*"broker\.port"/, /^file:3: http\.hots: .*"http\.host"/],
    ],
    [
      'for a wrong type, with its line',
      'log:\n  level: loud\nhttp:\n  port: "80"',
      {},
      [/^file:2: log\.level: found "loud"/, /^file:4: http\.port: found "80", expected number/],
    ],
    [
      'for every wrong field at once',
      'node: a/b\ndata: 5\ndrainSeconds: -1\nx: 1',
      {},
      [/node: found "a\/b"/, /data: found 5/, /drainSeconds: found -1/, /x: /],
    ],
    [
      'for a broker that is neither URL nor object',
      'broker: 1883',
      {},
      [/^file:1: broker: found 1883, expected /],
    ],
    ['for a broker that is no URL', 'broker: localhost', {}, [/broker: found "localhost"/]],
    [
      'for a broker of another protocol',
      'broker: { url: "http://h" }',
      {},
      [/broker\.url: found "http:\/\/h", .*mqtt:\/\//],
    ],
    [
      'for a variable, by its name',
      'node: a',
      { environment: { LEDGE_BROKER__PORT: 'x', LEDGE_BRKER: '1' } },
      [
        'LEDGE_BRKER: brker: expected a known field; did you mean "broker"?',
        'LEDGE_BROKER__PORT: broker.port: found "x", expected number',
      ],
    ],
    [
      'for --set',
      'node: a',
      { set: ['broker.port=99999'] },
      [/^--set: broker\.port: found 99999, expected <=65535/],
    ],
    ['for --set without a value', '', { set: ['node'] }, [/found node, expected key=value/]],
    [
      'for an option, not for what it overrode',
      'data: 1',
      { options: [['data', 2]] },
      [/^command line: data: found 2, expected string/],
    ],
    ['for a list as a file', '- 1', {}, [/^file(:1)?: found \[1\], expected object/]],
    [
      'for a word as a file, whatever is set',
      'hello',
      { set: ['broker.port=1'] },
      [/^file(:1)?: found "hello", expected object/],
    ],
    [
      'for a field below one that has none',
      'broker: 5',
      { set: ['broker.port=1'] },
      [/broker: found 5/],
    ],
    ['for YAML that does not parse', 'a: [', {}, [/^file:1: expected YAML/]],
    ['for a key of the prototype', '', { set: ['__proto__.node=x'] }, [/__proto__/]],
  ])('%s', async (_, text, more, expected) => {
    const problems = await problemsOf(text, more);
    expect(problems.sort()).toEqual(
      expected.map((one) => (typeof one === 'string' ? one : expect.stringMatching(one))),
    );
  });

  test('for a file that was asked for and is not there', async () => {
    const file = join(folder, 'none.yaml');
    const asked = loadConfig({ file, environment: {}, set: [], options: [] });
    await expect(asked).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining(file),
    });
  });
});

test('every field has a name that a suggestion can find', () => {
  const names = fieldNames(configSchema);
  expect(names).toEqual(
    expect.arrayContaining(['node', 'broker.port', 'broker.url', 'http.port', 'log.level']),
  );
  expect(new Set(names).size).toBe(names.length);
});
