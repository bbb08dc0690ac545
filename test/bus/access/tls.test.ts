import { once } from 'node:events';
import { copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Access, openAccess } from '../../../src/bus/access/access.ts';
import { hashPassword } from '../../../src/bus/access/password.ts';
import { openTls, type TlsMaterial } from '../../../src/bus/access/tls.ts';
import { writeUsersFile } from '../../../src/bus/access/users-file.ts';
import { type BrokerOptions, type EmbeddedBus, openBroker } from '../../../src/bus/broker.ts';
import type { TlsEntrance } from '../../../src/bus/entrances.ts';
import type { LedgeError } from '../../../src/std/error.ts';
import { type Authority, type Certificate, createAuthority } from '../../harness/certificates.ts';
import { createHandClock, type HandClock } from '../../harness/hand-clock.ts';
import { connectTest } from '../../harness/mqtt.ts';
import { temporaryFolder } from '../../harness/node.ts';
import { hasTool } from '../../harness/tools.ts';

const skip = !hasTool('openssl');
const users = new Map([['kitchen', await hashPassword('cake')]]);

describe.skipIf(skip)('MQTT over TLS (needs openssl)', () => {
  let authority: Authority;
  let stranger: Authority;
  let server: Certificate;
  let ca: string;

  beforeAll(async () => {
    authority = await createAuthority();
    stranger = await createAuthority();
    server = await authority.issue('server');
    ca = await readFile(authority.caFile, 'utf8');
  });
  afterAll(() => Promise.all([authority.remove(), stranger.remove()]));

  let folder: string;
  let clock: HandClock;
  let problems: LedgeError[];
  let notes: string[];
  let wake: () => void;
  let bus: EmbeddedBus;
  let access: Access;
  let material: TlsMaterial;

  beforeEach(async () => {
    folder = await temporaryFolder();
    // The certificates' time is the real one.
    clock = createHandClock(Date.now());
    [problems, notes, wake] = [[], [], () => {}];
  });
  afterEach(async () => {
    await bus?.[Symbol.asyncDispose]();
    access?.[Symbol.dispose]();
    material?.[Symbol.dispose]();
    await rm(folder, { recursive: true });
  });

  interface Opening extends BrokerOptions {
    readonly entrance?: Partial<TlsEntrance>;
    readonly caFile?: string;
    readonly withUsers?: boolean;
    readonly acl?: string;
  }

  async function open({ entrance, caFile, withUsers, acl, ...more }: Opening = {}): Promise<void> {
    const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    await copyFile(server.certFile, certFile);
    await copyFile(server.keyFile, keyFile);
    const tell = (problem: LedgeError) => {
      problems.push(problem);
      wake();
    };
    const note = (text: string) => {
      notes.push(text);
      wake();
    };
    const usersFile = join(folder, 'users.json');
    const aclFile = acl === undefined ? undefined : join(folder, 'acl');
    if (aclFile !== undefined) await writeFile(aclFile, acl ?? '');
    if (withUsers === true) await writeUsersFile(usersFile, users);
    access = await openAccess({ usersFile, aclFile, clock, tell });
    material = await openTls({ certFile, keyFile, caFile, clock, tell, note });
    const tls: TlsEntrance = {
      ...{ port: 0, material, clientCertificate: 'none', identity: 'none' },
      ...entrance,
    };
    bus = await openBroker({ port: 0, tls, access, onProblem: tell, ...more });
  }

  async function looked(): Promise<void> {
    const heard = new Promise<void>((resolve) => {
      wake = resolve;
    });
    clock.advance(2_000);
    await heard;
  }

  const port = () => Number(new URL(bus.tlsAddress ?? '').port);

  function dial(options: object = {}): TLSSocket {
    const socket = connect({ port: port(), host: '127.0.0.1', ca, ...options });
    socket.on('error', () => {});
    return socket;
  }

  /** Dials, and resolves when the broker has ended the connection. */
  async function closed(options: object = {}): Promise<void> {
    const socket = dial(options);
    socket.resume();
    await new Promise((resolve) => socket.once('close', resolve));
  }

  async function serverName(): Promise<string> {
    const socket = dial();
    await once(socket, 'secureConnect');
    const name = String(socket.getPeerCertificate().subject.CN);
    socket.destroy();
    return name;
  }

  test('a client that trusts the authority comes in, beside the plain port', async () => {
    await open();
    expect(bus.tlsAddress).toMatch(/^mqtts:\/\/127\.0\.0\.1:\d+$/);
    await using reader = await connectTest(bus.address, ['a']);
    await using client = await connectTest(bus.tlsAddress ?? '', [], { ca });
    await client.client.publishAsync('a', 'x', { qos: 1 });
    expect((await reader.next(() => true)).payload.toString()).toBe('x');
  });

  test('a client that does not trust it stays out by itself', async () => {
    await open();
    const other = await readFile(stranger.caFile, 'utf8');
    await expect(connectTest(bus.tlsAddress ?? '', [], { ca: other })).rejects.toThrow(
      /self.signed|unable to verify|issuer/i,
    );
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('%s is spoken', async (version) => {
    await open();
    const socket = dial({ minVersion: version, maxVersion: version });
    await once(socket, 'secureConnect');
    expect(socket.getProtocol()).toBe(version);
    socket.destroy();
  });

  test('TLS 1.1 is not', async () => {
    await open();
    const socket = connect({
      ...{ port: port(), host: '127.0.0.1', ca, ciphers: 'DEFAULT@SECLEVEL=0' },
      ...{ minVersion: 'TLSv1', maxVersion: 'TLSv1.1' },
    });
    await expect(once(socket, 'secureConnect')).rejects.toThrow(/version|protocol/i);
  });

  test('a connection that does not shake hands is closed', async () => {
    await open({ limits: { handshakeTimeoutMs: 200 } });
    const socket = connectTcp(port(), '127.0.0.1');
    await once(socket, 'close');
    expect(problems.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^No TLS connection with 127\.0\.0\.1: .*timeout/i),
    ]);
  });

  test('bytes that are no TLS are told and harm nobody', async () => {
    await open();
    const socket = connectTcp(port(), '127.0.0.1');
    socket.on('error', () => {});
    socket.end(Buffer.from([0x10, 0x0c, 0, 4, 0x4d, 0x51, 0x54, 0x54, 5, 2, 0, 0, 0, 0]));
    await once(socket, 'close');
    expect(problems).toHaveLength(1);
    expect(await serverName()).toBe('server');
  });

  test('connections are counted before their handshake', async () => {
    await open({ limits: { connectionsPerAddressMax: 1 } });
    const first = connectTcp(port(), '127.0.0.1');
    await once(first, 'connect');
    await closed();
    expect(problems[0]?.message).toMatch(/Refused a connection: 1 connections/);
    first.destroy();
  });

  describe('a certificate that changes', () => {
    test('serves the next connection; those that are open stay', async () => {
      await open();
      await using client = await connectTest(bus.tlsAddress ?? '', ['a'], { ca });
      const renewed = await authority.issue('renewed');
      await copyFile(renewed.keyFile, join(folder, 'key.pem'));
      await copyFile(renewed.certFile, join(folder, 'cert.pem'));
      await looked();
      expect(notes).toEqual([expect.stringContaining('cert.pem again')]);
      expect(await serverName()).toBe('renewed');
      await client.client.publishAsync('a', 'x', { qos: 1 });
      await client.next(() => true);
    });

    test.each([
      ['a key of another certificate', 'key.pem', async () => (await authority.issue('x')).keyFile],
      ['no certificate', 'cert.pem', async () => server.keyFile],
      ['no key', 'key.pem', async () => server.certFile],
    ])('to %s leaves the old one, and is told without the key', async (_, file, other) => {
      await open();
      const text = await readFile(await other(), 'utf8');
      await writeFile(join(folder, file), text);
      await looked();
      expect(problems).toHaveLength(1);
      expect(problems[0]?.message).toContain('what was read before stays in use');
      for (const line of text.split('\n').filter((one) => one.length > 20)) {
        expect(JSON.stringify(problems)).not.toContain(line);
      }
      expect(await serverName()).toBe('server');
    });
  });

  test('a certificate that ends within two weeks is told of at the start', async () => {
    const kept = server;
    server = await authority.issue('server', { days: 7 });
    await open();
    server = kept;
    expect(problems.map(({ message }) => message)).toEqual([
      expect.stringMatching(/cert\.pem is valid until .*; renew it/),
    ]);
  });

  describe('client certificates', () => {
    const files = async ({ certFile, keyFile }: Certificate) => ({
      cert: await readFile(certFile, 'utf8'),
      key: await readFile(keyFile, 'utf8'),
    });
    const acl = 'user pump-1\ntopic readwrite pumps/1/#';
    const named = { identity: 'common-name' } as const;

    test('that are required keep out who has none, or one of a stranger', async () => {
      await open({ caFile: authority.caFile, entrance: { clientCertificate: 'required' } });
      const url = bus.tlsAddress ?? '';
      await closed();
      await closed(await files(await stranger.issue('pump-1')));
      expect(bus.connections).toBe(0);
      await using client = await connectTest(url, ['a'], {
        ca,
        ...(await files(await authority.issue('pump-1'))),
      });
      expect(client.client.connected).toBe(true);
    });

    test('give the user name where that is asked for, whatever CONNECT says', async () => {
      const entrance = { ...named, clientCertificate: 'required' } as const;
      await open({ caFile: authority.caFile, entrance, acl, withUsers: true });
      const pump = await files(await authority.issue('pump-1'));
      const login = { username: 'kitchen', password: 'wrong' };
      await using client = await connectTest(bus.tlsAddress ?? '', [], { ca, ...pump, ...login });
      await client.client.publishAsync('pumps/1/x', 'x', { qos: 1 });
      await expect(client.client.publishAsync('pumps/2/x', 'x', { qos: 1 })).rejects.toThrow(
        /not authorized/i,
      );
    });

    test.each(['#', 'a/b', '-x'])('with the name "%s" are refused', async (name) => {
      const entrance = { ...named, clientCertificate: 'required' } as const;
      await open({ caFile: authority.caFile, entrance, acl });
      const sly = await files(await authority.issue(name.replaceAll('/', '\\/')));
      await expect(connectTest(bus.tlsAddress ?? '', [], { ca, ...sly })).rejects.toThrow(
        /not authorized/i,
      );
    });

    test('that are optional leave the password to those without, and refuse a wrong one', async () => {
      const entrance = { ...named, clientCertificate: 'optional' } as const;
      await open({ caFile: authority.caFile, entrance, withUsers: true });
      const url = bus.tlsAddress ?? '';
      await expect(connectTest(url, [], { ca })).rejects.toThrow(/not authorized/i);
      const login = { username: 'kitchen', password: 'cake' };
      await using client = await connectTest(url, [], { ca, ...login });
      expect(client.client.connected).toBe(true);
      await closed(await files(await stranger.issue('pump-1')));
      expect(problems.at(-1)?.message).toMatch(/its certificate is refused/);
    });
  });

  describe('beyond loopback', () => {
    test('the TLS port needs users, or client certificates', async () => {
      await expect(open({ entrance: { host: '0.0.0.0' } })).rejects.toMatchObject({
        code: 'config-invalid',
        message: expect.stringMatching(/ledge user add NAME/),
      });
      const entrance = { host: '0.0.0.0', clientCertificate: 'required' } as const;
      await open({ caFile: authority.caFile, entrance });
      expect(bus.tlsAddress).toMatch(/^mqtts:\/\/0\.0\.0\.0:/);
    });

    test('both ports open once there are users', async () => {
      await open({ host: '0.0.0.0', withUsers: true });
      expect(bus.address).toMatch(/^mqtt:\/\/0\.0\.0\.0:/);
      await expect(connectTest(`mqtt://127.0.0.1:${bus.port}`)).rejects.toThrow(/not authorized/i);
    });
  });
});
