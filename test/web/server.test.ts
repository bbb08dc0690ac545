import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { openTls } from '../../src/bus/access/tls.ts';
import { type EmbeddedBus, openBroker } from '../../src/bus/broker.ts';
import { openClient } from '../../src/bus/client.ts';
import { systemClock } from '../../src/std/clock.ts';
import {
  openWebServer,
  type WebLogin,
  type WebOptions,
  type WebServer,
} from '../../src/web/server.ts';
import { type Authority, createAuthority } from '../harness/certificates.ts';
import { hasTool } from '../harness/tools.ts';

let web: WebServer;
let bus: EmbeddedBus | undefined;
afterEach(async () => {
  await bus?.[Symbol.asyncDispose]();
  bus = undefined;
  await web[Symbol.asyncDispose]();
});

async function open(more: Partial<WebOptions> = {}): Promise<void> {
  const pages = { '/health': () => ({ well: true }), '/info': () => ({ node: 'test' }) };
  web = await openWebServer({ host: '127.0.0.1', port: 0, pages, ...more });
}

interface Answer {
  readonly status: number | undefined;
  readonly body: string;
  readonly challenge: string | undefined;
}

async function get(path: string, headers: Record<string, string> = {}, ca?: string) {
  const url = new URL(path, web.address);
  const sent =
    ca === undefined ? requestHttp(url, { headers }) : requestHttps(url, { headers, ca });
  sent.end();
  const [response] = await once(sent, 'response');
  const answer: Answer = {
    status: response.statusCode,
    body: await text(response),
    challenge: response.headers['www-authenticate'],
  };
  return answer;
}

const basic = (pair: string) => ({
  authorization: `Basic ${Buffer.from(pair).toString('base64')}`,
});

describe('without a login', () => {
  test.each(['127.0.0.1:9001', 'localhost', '[::1]:9001', 'raspberrypi:9001', 'pi.local'])(
    'pages are served to who asks for %s',
    async (host) => {
      await open();
      expect(await get('/info', { host })).toMatchObject({ status: 200, body: '{"node":"test"}' });
    },
  );

  test.each(['evil.example', 'evil.example:9001', '127.0.0.1.evil.example', 'a b'])(
    'a page whose name %s was pointed here reads nothing',
    async (host) => {
      await open();
      const { status, body } = await get('/info', { host });
      expect([status, body.includes('test')]).toEqual([421, false]);
    },
  );

  test('what is no page is not repeated', async () => {
    await open();
    const { status, body } = await get('/secret-in-path');
    expect([status, body.includes('secret')]).toEqual([404, false]);
  });
});

describe('with a login', () => {
  const asked: WebLogin[] = [];
  const login = async (given: WebLogin) => {
    asked.push(given);
    if (given.username === 'busy') return 'later';
    return given.password === 'cake' ? 'in' : 'out';
  };

  test.each<[string, Record<string, string>, number]>([
    ['nothing', {}, 401],
    ['a wrong password', basic('kitchen:bread'), 401],
    ['another scheme', { authorization: 'Bearer cake' }, 401],
    ['the right password', basic('kitchen:cake'), 200],
    ['a name that guessed too often', basic('busy:cake'), 429],
  ])('%s', async (_, headers, status) => {
    await open({ login });
    const answer = await get('/info', headers);
    expect(answer.status).toBe(status);
    expect(answer.body.includes('test')).toBe(status === 200);
    expect(answer.challenge !== undefined).toBe(status === 401);
  });

  test('a page that is open needs none, the others do', async () => {
    await open({ login, open: ['/health'] });
    expect((await get('/health')).status).toBe(200);
    expect((await get('/info')).status).toBe(401);
    expect((await get('/health/')).status).toBe(401);
    expect((await get('/none')).status).toBe(401);
  });

  test('the address that asked is given to it', async () => {
    await open({ login });
    await get('/info', basic('kitchen:cake'));
    expect(asked.at(-1)).toEqual({ username: 'kitchen', password: 'cake', address: '127.0.0.1' });
  });
});

describe('limits', () => {
  test('a head that does not come in time ends its connection', async () => {
    await open({ handshakeTimeoutMs: 200 });
    const socket = connect(Number(new URL(web.address).port), '127.0.0.1');
    socket.write('GET /health HTTP/1.1\r\nHost: localhost\r\n');
    const answer = await text(socket);
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
  });

  test('one connection more than the limit is closed', async () => {
    await open({ connectionsMax: 1 });
    const port = Number(new URL(web.address).port);
    const first = connect(port, '127.0.0.1');
    await once(first, 'connect');
    const second = connect(port, '127.0.0.1');
    second.on('error', () => {});
    await new Promise((resolve) => second.once('close', resolve));
    first.destroy();
  });
});

describe('the origin of a page that opens a WebSocket', () => {
  const port = () => new URL(web.address).port;
  test.each<[string, string, () => string, boolean]>([
    ['the same host', '127.0.0.1', () => `http://127.0.0.1:${port()}`, true],
    ['the same local name', 'pi.local', () => `http://pi.local:${port()}`, true],
    ['another page of this machine', '127.0.0.1', () => 'http://localhost:3000', true],
    ['one that is allowed', '127.0.0.1', () => 'https://panel.example', true],
    ['another site', '127.0.0.1', () => 'https://evil.example', false],
    [
      'a site whose name was pointed here',
      'evil.example',
      () => `http://evil.example:${port()}`,
      false,
    ],
    ['a sandboxed page', '127.0.0.1', () => 'null', false],
    ['an ending that looks alike', '127.0.0.1', () => 'https://panel.example.evil.example', false],
  ])('%s', async (_, host, origin, allowed) => {
    await open();
    bus = await openBroker({ port: 0 });
    bus.attachWebSocket(web.server, { originsAllowed: ['https://panel.example'] });
    const headers = { host: `${host}:${port()}`, origin: origin() };
    const client = new WebSocket(`ws://127.0.0.1:${port()}/mqtt`, ['mqtt'], { headers });
    const opened = await new Promise((resolve) => {
      client.once('open', () => resolve(true));
      client.once('error', () => resolve(false));
    });
    client.terminate();
    expect(opened).toBe(allowed);
  });

  test('a WebSocket that never speaks MQTT is closed', async () => {
    await open();
    bus = await openBroker({ port: 0, limits: { connectTimeoutMs: 200 } });
    bus.attachWebSocket(web.server);
    const client = new WebSocket(`ws://127.0.0.1:${port()}/mqtt`, ['mqtt']);
    await once(client, 'close');
  });
});

describe.skipIf(!hasTool('openssl'))('over TLS (needs openssl)', () => {
  let authority: Authority;
  beforeAll(async () => {
    authority = await createAuthority();
  });
  afterAll(() => authority.remove());

  test('pages and MQTT over WebSocket are served, to who trusts the authority', async () => {
    const ca = await readFile(authority.caFile, 'utf8');
    const tell = (problem: Error) => {
      throw problem;
    };
    using tls = await openTls({ ...(await authority.issue('web')), clock: systemClock, tell });
    await open({ tls });
    expect(web.address).toMatch(/^https:/);
    expect((await get('/info', {}, ca)).status).toBe(200);
    bus = await openBroker({ port: 0 });
    bus.attachWebSocket(web.server);
    const url = `${web.address.replace('https', 'wss')}/mqtt`;
    await using good = await openClient({ url, ca });
    expect(good.state).toBe('online');
    await using bad = await openClient({ url });
    expect(bad.state).toBe('offline');
  });
});
