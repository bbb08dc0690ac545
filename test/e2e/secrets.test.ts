import { execFile } from 'node:child_process';
import { copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openAccess } from '../../src/bus/access/access.ts';
import { hashPassword } from '../../src/bus/access/password.ts';
import { writeUsersFile } from '../../src/bus/access/users-file.ts';
import { openBroker } from '../../src/bus/broker.ts';
import { systemClock } from '../../src/std/clock.ts';
import { packagePath } from '../../src/std/package.ts';
import { createAuthority } from '../harness/certificates.ts';
import { ledge } from '../harness/cli.ts';
import { tinyFlow, writeFlows } from '../harness/flows.ts';
import { connectTest, type Received, type TestClient } from '../harness/mqtt.ts';
import { startNode, temporaryFolder } from '../harness/node.ts';
import { hasTool } from '../harness/tools.ts';

/** Words that occur nowhere else: wherever one shows, it leaked. */
const SECRETS = {
  user: 'planted-user-password-7f3a',
  wrong: 'planted-wrong-password-91bc',
  url: 'planted-url-password-52de',
  file: 'planted-file-password-c04f',
  variable: 'planted-variable-password-6ab8',
  config: 'planted-config-password-e2d7',
} as const;

/** Fails with the names of the secrets that show in what was gathered. */
function expectNone(gathered: unknown, more: Readonly<Record<string, string>> = {}): void {
  const text = typeof gathered === 'string' ? gathered : JSON.stringify(gathered);
  expect(text.length).toBeGreaterThan(0);
  const encoded = (secret: string) => [
    secret,
    Buffer.from(secret).toString('base64').replace(/=+$/, ''),
    encodeURIComponent(secret),
  ];
  const found = Object.entries({ ...SECRETS, ...more }).filter(([, secret]) =>
    encoded(secret).some((one) => text.includes(one)),
  );
  expect(found.map(([name]) => name)).toEqual([]);
}

let flows: string;
let data: string;
beforeAll(async () => {
  flows = await writeFlows({ tiny: tinyFlow() });
  data = await temporaryFolder();
});
afterAll(async () => {
  await rm(flows, { recursive: true });
  await rm(data, { recursive: true });
});

const requests = ['info', 'health', 'flows', 'devices', 'flow/reload', 'flow/relearn', 'none'];

/** Asks the node for everything it can tell, and gives all that came on any topic. */
async function everyTopic(client: TestClient, base: string): Promise<string> {
  for (const name of requests) {
    const payload = JSON.stringify({ transaction: name });
    await client.client.publishAsync(`${base}/bridge/request/${name}`, payload);
    await client.next(({ topic }) => topic === `${base}/bridge/response/${name}`);
  }
  return client.received.map(({ topic, payload }) => `${topic} ${payload.toString()}`).join('\n');
}

async function everyPage(url: string): Promise<string> {
  const texts: string[] = [];
  for (const path of ['/health', '/info', '/flows', '/devices', '/', '/users.json', '/../data']) {
    const response = await fetch(`${url}${path}`);
    texts.push(JSON.stringify([...response.headers]), await response.text());
  }
  return texts.join('\n');
}

test.each(Object.entries(SECRETS))(
  'the check finds the %s password where it does show',
  (_, one) => {
    expect(() => expectNone(`a ${one} b`)).toThrow();
    expect(() => expectNone({ a: Buffer.from(one).toString('base64') })).toThrow();
  },
);

describe('no secret shows', () => {
  test('of users: in logs, on any topic, on any page, in what ledge user prints', async () => {
    const hash = await hashPassword(SECRETS.user);
    await writeUsersFile(join(data, 'users.json'), new Map([['kitchen', hash]]));
    const parts = hash.split('$').filter((part) => part.length > 20);
    const hashes = Object.fromEntries(parts.map((part, at) => [`hash part ${at}`, part]));
    expect(parts).toHaveLength(2);
    await using node = await startNode({ flows, data, args: ['--set', 'log.level=debug'] });
    const good = { username: 'kitchen', password: SECRETS.user };
    await using client = await connectTest(node.ready.mqtt, ['#', '$SYS/#'], good);
    for (let at = 0; at < 7; at += 1) {
      const wrong = { username: 'kitchen', password: `${SECRETS.wrong}${at}` };
      await expect(connectTest(node.ready.mqtt, [], wrong)).rejects.toThrow();
    }
    await writeFile(join(data, 'users.json'), `{"version":1,"users":[{"name":"${hash}"`);
    await client.next(({ json }) => String(json.message).includes('what was read before stays'));
    const printed = await ledge(['user', 'list', '--data', data]);
    expect(printed.code).toBe(1);
    expectNone(await everyTopic(client, 'ledge/test'), hashes);
    expectNone(await everyPage(node.ready.http), hashes);
    expectNone(node.log, hashes);
    expectNone(printed, hashes);
    expectNone(node.ready, hashes);
    await rm(join(data, 'users.json'));
  });

  describe.each([
    ['in its URL', SECRETS.url, 'url'],
    ['in a file', SECRETS.file, 'file'],
    ['in a variable', SECRETS.variable, 'variable'],
  ] as const)('of an external broker, the password %s', (_, password, how) => {
    test('when it is right and when it is wrong', async () => {
      const folder = await temporaryFolder();
      const users = new Map([
        ['node', await hashPassword(password)],
        ['reader', await hashPassword('reader')],
      ]);
      await writeUsersFile(join(folder, 'users.json'), users);
      const access = await openAccess({
        usersFile: join(folder, 'users.json'),
        clock: systemClock,
        tell: () => {},
      });
      const bus = await openBroker({ port: 0, access });
      await using reader = await connectTest(bus.address, ['#'], {
        username: 'reader',
        password: 'reader',
      });
      for (const right of [true, false]) {
        const given = right ? password : `${password}-not`;
        const args = await brokerArgs(how, { port: bus.port, password: given, folder });
        const environment = how === 'variable' ? { LEDGE_BROKER__PASSWORD: given } : {};
        const said = await withEnvironment(environment, async () => {
          await using node = await startNode({ flows, data, args });
          const doctor = await ledge(['doctor', ...args, '--data', data], { env: environment });
          const topics = right ? await everyTopic(reader, 'ledge/test') : '';
          const pages = await everyPage(node.ready.http);
          return { log: node.log, ready: node.ready, doctor, topics, pages };
        });
        expectNone(said);
        expect(JSON.stringify(said.log).includes('refuses')).toBe(!right);
      }
      await bus[Symbol.asyncDispose]();
      access[Symbol.dispose]();
      await rm(folder, { recursive: true });
    });
  });

  test.each<[string, string]>([
    ['a URL of another kind', `broker: http://node:${SECRETS.url}@127.0.0.1`],
    ['a URL in the wrong field', `node: mqtt://node:${SECRETS.url}@127.0.0.1`],
    ['a URL that is none', `broker: { url: 'mqtt://node:${SECRETS.url}@:x' }`],
    ['a password field', `broker: { url: 'mqtt://127.0.0.1', password: ${SECRETS.config} }`],
    ['a field that is unknown', `broker: { pasword: ${SECRETS.config} }`],
    ['YAML that ends early', `broker: { url: 'mqtt://node:${SECRETS.url}@127.0.0.1`],
  ])('of a configuration that is refused: %s', async (_, text) => {
    const file = join(data, 'bad.yaml');
    await writeFile(file, text);
    for (const words of [['run'], ['doctor'], ['user', 'list']]) {
      const said = await ledge([...words, '--config', file, '--data', data]);
      if (words[0] === 'run') expect(said.code).toBe(1);
      expectNone(said);
    }
  });

  test('of variables and options that are refused', async () => {
    const set = (pair: string) => ['run', '--data', data, '--set', pair];
    expectNone(await ledge(set(`broker.password=${SECRETS.config}`)));
    expectNone(await ledge(set(`broker.url=http://node:${SECRETS.url}@127.0.0.1`)));
    const env = { LEDGE_BROKER: `http://node:${SECRETS.url}@127.0.0.1` };
    expectNone(await ledge(['run', '--data', data], { env }));
    const other = { LEDGE_BROKER__PASSWORD: SECRETS.variable, LEDGE_BROKER__PORT: 'x' };
    expectNone(await ledge(['run', '--data', data], { env: other }));
  });

  test.skipIf(!hasTool('openssl'))(
    'of a key, also of one that does not fit (needs openssl)',
    async () => {
      const authority = await createAuthority();
      const first = await authority.issue('first');
      const second = await authority.issue('second');
      const keys = await Promise.all(
        [first, second].map(({ keyFile }) => readFile(keyFile, 'utf8')),
      );
      const lines = keys
        .join('\n')
        .split('\n')
        .filter((line) => /^[A-Za-z0-9+/=]{40,}$/.test(line));
      expect(lines.length).toBeGreaterThan(3);
      const more = Object.fromEntries(lines.map((line, at) => [`line ${at} of a key`, line]));
      const [certFile, keyFile] = [join(data, 'cert.pem'), join(data, 'key.pem')];
      await copyFile(first.certFile, certFile);
      await copyFile(first.keyFile, keyFile);
      const fields = { port: 0, certFile, keyFile };
      const args = Object.entries(fields).flatMap(([k, v]) => ['--set', `broker.tls.${k}=${v}`]);
      await using node = await startNode({ flows, data, args });
      await using client = await connectTest(node.ready.mqtt, ['#']);
      await copyFile(second.keyFile, keyFile);
      await client.next(({ json }) => String(json.message).includes('what was read before stays'));
      expectNone(await everyTopic(client, 'ledge/test'), more);
      expectNone(await everyPage(node.ready.http), more);
      expectNone(node.log, more);
      expectNone(await ledge(['run', '--data', data, '--port', '0', ...args]), more);
      await authority.remove();
    },
  );

  test('of an uplink, right or wrong', async () => {
    const folder = await temporaryFolder();
    const usersFile = join(folder, 'users.json');
    await writeUsersFile(usersFile, new Map([['node', await hashPassword(SECRETS.url)]]));
    const access = await openAccess({ usersFile, clock: systemClock, tell: () => {} });
    const bus = await openBroker({ port: 0, access });
    for (const password of [SECRETS.url, SECRETS.wrong]) {
      const right = password === SECRETS.url;
      const url = `mqtt://node:${password}@127.0.0.1:${bus.port}`;
      await writeFile(join(data, 'uplink.yaml'), `uplink: { url: '${url}' }`);
      const args = ['--config', join(data, 'uplink.yaml')];
      await using node = await startNode({ flows, data, args });
      await using client = await connectTest(node.ready.mqtt, ['#']);
      const topic = 'ledge/test/bridge/uplink';
      const settled = ({ connected, reason }: Received['json']) =>
        connected === right && (right || reason !== undefined);
      await client.next((one) => one.topic === topic && settled(one.json));
      expectNone(await everyTopic(client, 'ledge/test'));
      expectNone(await everyPage(node.ready.http));
      expectNone([node.log, node.ready]);
    }
    await bus[Symbol.asyncDispose]();
    access[Symbol.dispose]();
    await rm(folder, { recursive: true });
  });

  test('on the command line of a running node: another process sees its arguments', async () => {
    // Nothing of ours puts a secret there; --set of one is refused above.
    const help = await promisify(execFile)(process.execPath, [
      packagePath('dist/cli/main.js'),
      'user',
      '--help',
    ]);
    expect(help.stdout).not.toMatch(/--password[ =]/);
  });
});

async function brokerArgs(
  how: 'url' | 'file' | 'variable',
  { port, password, folder }: { port: number; password: string; folder: string },
): Promise<string[]> {
  const place = `127.0.0.1:${port}`;
  if (how === 'url') return ['--broker', `mqtt://node:${password}@${place}`];
  const args = ['--broker', `mqtt://${place}`, '--set', 'broker.username=node'];
  if (how === 'variable') return args;
  await writeFile(join(folder, 'password'), `${password}\n`);
  return [...args, '--set', `broker.passwordFile=${join(folder, 'password')}`];
}

/** A node in a process of its own inherits the variables of this one. */
async function withEnvironment<T>(
  variables: Readonly<Record<string, string>>,
  act: () => Promise<T>,
): Promise<T> {
  Object.assign(process.env, variables);
  try {
    return await act();
  } finally {
    for (const name of Object.keys(variables)) delete process.env[name];
  }
}
