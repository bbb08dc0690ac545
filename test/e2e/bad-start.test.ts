import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hashPassword } from '../../src/bus/access/password.ts';
import { writeUsersFile } from '../../src/bus/access/users-file.ts';
import { ledge } from '../harness/cli.ts';
import { tinyFlow, writeFlows } from '../harness/flows.ts';
import { temporaryFolder } from '../harness/node.ts';

let folder: string;
let flows: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  flows = await writeFlows({ tiny: tinyFlow() });
  await writeFile(join(folder, 'a-file'), 'not a folder');
  await writeFile(join(folder, 'empty.yaml'), '');
  await writeFile(join(folder, 'bad.yaml'), 'node: kitchen\nbroker:\n  prot: 1884\nlog: loud\n');
});

afterAll(async () => {
  await rm(folder, { recursive: true });
  await rm(flows, { recursive: true });
});

/** A command that must fail, and what it says: nothing else on stdout. */
async function refusal(...words: string[]): Promise<string> {
  const base = ['run', '--json', '--data', join(folder, 'data'), '--flows', flows, '--port', '0'];
  const { code, stdout, stderr } = await ledge([...base, ...words], { cwd: folder });
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).not.toMatch(/^\s+at /m);
  return stderr;
}

describe('a port in use', () => {
  test.each([
    ['broker', (port: string) => ['--port', port]],
    ['http', (port: string) => ['--http-port', port]],
  ])('of the %s ends the start with its number', async (_, words) => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const port = String((server.address() as AddressInfo).port);
    const text = await refusal(...words(port));
    expect(text).toMatch(new RegExp(`^ledge: Cannot listen for .*127\\.0\\.0\\.1:${port}`, 'm'));
    expect(text).toMatch(/in use/);
    server.close();
  });
});

describe('a start', () => {
  test.each<[string, () => string[], RegExp]>([
    [
      'with a data folder below a file',
      () => ['--data', join(folder, 'a-file', 'data')],
      /Cannot write to the data folder .*a-file.data/,
    ],
    [
      'with a file as data folder',
      () => ['--data', join(folder, 'a-file')],
      /Cannot write to the data folder .*a-file/,
    ],
    [
      'with a data folder that the system does not let be written',
      () => ['--data', '/proc/ledge'],
      /Cannot write to the data folder \/proc\/ledge/,
    ],
    ['without its flows folder', () => ['--flows', join(folder, 'none')], /none is no folder/],
    [
      'without its configuration file',
      () => ['--config', join(folder, 'none.yaml')],
      /Cannot read .*none\.yaml/,
    ],
    [
      'with unknown fields and wrong types',
      () => ['--config', join(folder, 'bad.yaml')],
      /bad\.yaml:3: broker\.prot: .*"broker\.port"[\s\S]*bad\.yaml:4: log: found "loud"/,
    ],
    ['with an unknown board', () => ['--board', 'raspbery-pi-5'], /"raspberry-pi-5"/],
    ['with a port that is none', () => ['--port', 'mqtt'], /broker\.port: found "mqtt"/],
    ['with a port too large', () => ['--port', '70000'], /broker\.port: found 70000/],
    ['with a name that is no topic level', () => ['--node', 'a/b'], /node: found "a\/b"/],
    ['with a host that others reach', () => ['--host', '0.0.0.0'], /needs credentials/],
    ['with a broker that is no URL', () => ['--broker', 'localhost'], /broker\.url: .*mqtt:\/\//],
    [
      'without the file of a password',
      () => [
        ...['--broker', 'mqtt://127.0.0.1:1', '--set', 'broker.passwordFile=none.txt'],
        ...['--set', 'broker.username=me'],
      ],
      /Cannot read a secret: .*none\.txt/,
    ],
  ])('%s ends with code 1 and one clear message', async (_, words, message) => {
    const text = await refusal(...words());
    expect(text).toMatch(message);
  });

  test('that fails leaves nothing behind that keeps the process', async () => {
    // With users it may listen to others, and finds out late that it cannot on this address.
    await writeUsersFile(join(folder, 'users.json'), new Map([['a', await hashPassword('a')]]));
    const users = `broker.usersFile=${join(folder, 'users.json')}`;
    const text = await refusal(
      '--set',
      users,
      '--http-port',
      '1',
      '--set',
      'http.host=203.0.113.1',
    );
    expect(text).toMatch(/Cannot listen for HTTP on 203\.0\.113\.1:1/);
  });
});
