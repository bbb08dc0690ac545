import { chmod, copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { hashPassword } from '../../src/bus/access/password.ts';
import { writeUsersFile } from '../../src/bus/access/users-file.ts';
import { type Authority, createAuthority } from '../harness/certificates.ts';
import { ledge } from '../harness/cli.ts';
import { fourNumbers, tinyFlow, writeFlows } from '../harness/flows.ts';
import { startMosquitto } from '../harness/mosquitto.ts';
import { connectTest } from '../harness/mqtt.ts';
import { type RunningNode, startNode, temporaryFolder } from '../harness/node.ts';
import { hasTool } from '../harness/tools.ts';

const hash = await hashPassword('cake');

let flows: string;
let data: string;
beforeAll(async () => {
  flows = await writeFlows({ tiny: tinyFlow() });
});
afterAll(() => rm(flows, { recursive: true }));
beforeEach(async () => {
  data = await temporaryFolder();
});
afterEach(() => rm(data, { recursive: true, force: true }));

const users = (...names: string[]) =>
  writeUsersFile(join(data, 'users.json'), new Map(names.map((name) => [name, hash])));

function start(...set: string[]): Promise<RunningNode> {
  return startNode({ flows, data, args: set.flatMap((pair) => ['--set', pair]) });
}

/** What a start that must fail says. */
async function refusal(...set: string[]): Promise<string> {
  const words = ['run', '--json', '--data', data, '--flows', flows, '--port', '0'];
  const { code, stdout, stderr } = await ledge([...words, ...set.flatMap((one) => ['--set', one])]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  return stderr;
}

const login = { username: 'kitchen', password: 'cake' };
const basic = { authorization: `Basic ${Buffer.from('kitchen:cake').toString('base64')}` };

/** The same port on this machine, where the node listens on every address. */
const near = (url: string) => url.replace('0.0.0.0', '127.0.0.1');

describe('a start is refused', () => {
  test.each([
    ['for MQTT', 'broker.host=0.0.0.0', /Cannot listen for MQTT on 0\.0\.0\.0/],
    ['for HTTP', 'http.host=0.0.0.0', /Cannot listen for HTTP on 0\.0\.0\.0/],
  ])('beyond loopback without users %s, with how to add one', async (_, set, problem) => {
    const text = await refusal(set);
    expect(text).toMatch(problem);
    expect(text).toContain('ledge user add NAME');
    expect(text).not.toContain('allowAnonymous');
  });

  test('allowAnonymous opens nothing beyond loopback', async () => {
    expect(await refusal('broker.host=0.0.0.0', 'broker.allowAnonymous=true')).toMatch(
      /ledge user add NAME/,
    );
  });

  test('with users that others can read', async () => {
    await users('kitchen');
    await chmod(join(data, 'users.json'), 0o644);
    expect(await refusal()).toMatch(/others may read or write it \(mode 0644\); run: chmod 600/);
  });

  test('with rules that do not parse, each named', async () => {
    await writeFile(join(data, 'acl'), 'topic read a\nuser kitchen\ntopic raed b\n');
    expect(await refusal(`broker.aclFile=${join(data, 'acl')}`)).toMatch(
      /acl:3: "raed" is none of/,
    );
  });

  test('with a password in the configuration, and does not repeat it', async () => {
    const text = await refusal('broker.password=hunter2');
    expect(text).toMatch(/broker\.password: expected .*LEDGE_BROKER__PASSWORD/);
    expect(text).not.toContain('hunter2');
  });
});

describe('a node with users', () => {
  test('listens to everyone, lets in who proves it, and says that passwords can be read', async () => {
    await users('kitchen');
    await using node = await start('broker.host=0.0.0.0', 'http.host=0.0.0.0');
    const url = near(node.ready.mqtt);
    await expect(connectTest(url)).rejects.toThrow(/not authorized/i);
    await using client = await connectTest(url, ['ledge/test/#'], login);
    await client.client.publishAsync('in/a', fourNumbers(1, 2, 3, 4), { qos: 1 });
    await client.next(({ topic }) => topic === 'ledge/test/tiny/a');
    const told = node.log.map(({ message }) => message);
    expect(told).toContainEqual(
      expect.stringMatching(/^Passwords can be read on the way to mqtt:/),
    );
    expect(told).toContainEqual(
      expect.stringMatching(/^Passwords can be read on the way to http:/),
    );
  });

  test('serves its pages to them only; health too, unless it is opened', async () => {
    await users('kitchen');
    await using node = await start('http.host=0.0.0.0');
    const url = near(node.ready.http);
    const status = async (path: string, headers = {}) =>
      (await fetch(`${url}${path}`, { headers })).status;
    expect([await status('/health'), await status('/info')]).toEqual([401, 401]);
    expect([await status('/health', basic), await status('/info', basic)]).toEqual([200, 200]);
    await node.stop();
    await using open = await start('http.host=0.0.0.0', 'http.healthOpen=true');
    const page = (path: string) => fetch(`${near(open.ready.http)}${path}`);
    expect([(await page('/health')).status, (await page('/info')).status]).toEqual([200, 401]);
  });

  test('takes in who is added, and puts out who is removed, while it runs', async () => {
    await using node = await start();
    await using stranger = await connectTest(node.ready.mqtt);
    const gone = new Promise<void>((resolve) => stranger.client.once('close', () => resolve()));
    await writeFile(join(data, 'secret'), 'cake\n');
    const secret = ['--password-file', join(data, 'secret')];
    const added = await ledge(['user', 'add', 'kitchen', '--data', data, ...secret]);
    expect(added.code).toBe(0);
    await gone;
    await using client = await connectTest(node.ready.mqtt, [], login);
    const out = new Promise<void>((resolve) => client.client.once('close', () => resolve()));
    await ledge(['user', 'remove', 'kitchen', '--data', data]);
    await out;
    await expect(connectTest(node.ready.mqtt, [], login)).rejects.toThrow(/user name or password/i);
    await expect(connectTest(node.ready.mqtt)).rejects.toThrow(/not authorized/i);
  });

  test('keeps each to its own topics, over WebSocket too', async () => {
    await users('kitchen', 'sensor');
    const acl = 'user kitchen\ntopic read ledge/#\npattern write in/%u';
    await writeFile(join(data, 'acl'), acl);
    await using node = await start(`broker.aclFile=${join(data, 'acl')}`);
    await using reader = await connectTest(node.ready.mqtt, ['ledge/test/tiny/#'], login);
    const url = `${node.ready.http.replace('http', 'ws')}/mqtt`;
    await using sensor = await connectTest(url, [], { ...login, username: 'sensor' });
    const four = fourNumbers(1, 2, 3, 4);
    await expect(sensor.client.publishAsync('in/kitchen', four, { qos: 1 })).rejects.toThrow(
      /not authorized/i,
    );
    await sensor.client.publishAsync('in/sensor', four, { qos: 1 });
    await reader.count(1);
    expect(reader.received.map(({ topic }) => topic)).toEqual(['ledge/test/tiny/sensor']);
  });
});

describe.skipIf(!hasTool('openssl'))('certificates (needs openssl)', () => {
  let authority: Authority;
  let ca: string;
  beforeAll(async () => {
    authority = await createAuthority();
    ca = await readFile(authority.caFile, 'utf8');
  });
  afterAll(() => authority.remove());

  test('a node serves MQTT and HTTP over TLS, and takes a new certificate as it runs', async () => {
    const first = await authority.issue('first');
    const [certFile, keyFile] = [join(data, 'cert.pem'), join(data, 'key.pem')];
    await copyFile(first.certFile, certFile);
    await copyFile(first.keyFile, keyFile);
    const files = (at: string) => [`${at}.certFile=${certFile}`, `${at}.keyFile=${keyFile}`];
    const set = [...files('broker.tls'), 'broker.tls.port=0', ...files('http.tls')];
    await using node = await start(...set);
    const { mqtts, http } = node.ready as { mqtts?: string; http: string };
    expect([mqtts, http]).toEqual([
      expect.stringMatching(/^mqtts:\/\/127\.0\.0\.1:\d+$/),
      expect.stringMatching(/^https:/),
    ]);
    await using client = await connectTest(`${mqtts}`, ['ledge/test/bridge/logging'], { ca });
    await using page = await connectTest(`${http.replace('http', 'ws')}/mqtt`, [], { ca });
    expect(page.client.connected).toBe(true);
    const second = await authority.issue('second');
    await copyFile(second.keyFile, keyFile);
    await copyFile(second.certFile, certFile);
    await client.count(2, ({ json }) => /^Read the certificate/.test(String(json.message)));
    await using later = await connectTest(`${mqtts}`, [], { ca });
    expect(later.client.connected).toBe(true);
  });

  test.skipIf(!hasTool('mosquitto'))(
    'a node proves itself to a mosquitto with a certificate (needs mosquitto)',
    async () => {
      const server = await authority.issue('broker');
      const own = await authority.issue('node');
      const broker = await startMosquitto({
        config: [
          // Started by root it would become another user, who may not read a test's files.
          ...['user root', `certfile ${server.certFile}`, `keyfile ${server.keyFile}`],
          ...[`cafile ${authority.caFile}`, 'require_certificate true'],
        ],
      });
      const url = `mqtts://localhost:${broker.port}`;
      const given = [`caFile=${authority.caFile}`, `certFile=${own.certFile}`];
      const set = [`url=${url}`, ...given, `keyFile=${own.keyFile}`].map((one) => `broker.${one}`);
      await using node = await start(...set);
      const cert = await readFile(own.certFile, 'utf8');
      const key = await readFile(own.keyFile, 'utf8');
      await using client = await connectTest(url, ['ledge/test/#'], { ca, cert, key });
      await client.client.publishAsync('in/a', fourNumbers(1, 2, 3, 4), { qos: 1 });
      await client.next(({ topic }) => topic === 'ledge/test/tiny/a');
      await node.stop();
      await broker.remove();
    },
  );
});
