import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { type EmbeddedBus, openBroker } from '../../../src/bus/broker.ts';
import type { LedgeError } from '../../../src/std/error.ts';
import { frame, text } from '../../conformance/mqtt/case.ts';
import { connectWire, openWire } from '../../harness/wire-client.ts';

const BARE = `
  import { createServer } from 'node:net';
  import { Aedes } from 'aedes';
  const broker = await Aedes.createBroker();
  const server = createServer(broker.handle);
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
`;

function connect(version: 4 | 5, clientId: string, properties: number[] = []): number[] {
  const middle = version === 5 ? [properties.length, ...properties] : [];
  return frame(0x10, [...text('MQTT'), version, 2, 0, 0, ...middle, ...text(clientId)]);
}

const EXPIRY = [0x11, 0, 0, 0, 60];
const names = ['constructor', '__proto__', 'toString', 'hasOwnProperty'];

/** What ends a bare aedes 2.0.0-beta.1: the packets of one connection. */
const DEADLY: ReadonlyArray<readonly [string, readonly number[][]]> = [
  ...names.flatMap((name) =>
    ([4, 5] as const).map(
      (version) =>
        [`client id ${name} on MQTT level ${version}`, [connect(version, name)]] as const,
    ),
  ),
  ['a Session Expiry twice in CONNECT', [connect(5, 'a', [...EXPIRY, ...EXPIRY]), [0xe0, 0]]],
  [
    'a Session Expiry twice in DISCONNECT',
    [connect(5, 'a', EXPIRY), frame(0xe0, [0, 10, ...EXPIRY, ...EXPIRY])],
  ],
  [
    'a Response Topic that is cut off',
    [connect(5, 'a'), frame(0x30, [...text('a'), 3, 0x08, 0, 200, 1])],
  ],
];

/** Runs a bare aedes until it ends or answers a new client after the packets; true: it ended. */
async function endsBareAedes(packets: readonly number[][]): Promise<boolean> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', BARE], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = new Promise<true>((resolve) => child.once('exit', () => resolve(true)));
  const port = await new Promise<number>((resolve) =>
    child.stdout.once('data', (line: Buffer) => resolve(Number(line.toString()))),
  );
  const bad = await openWire(port);
  for (const packet of packets) {
    bad.sendBytes(packet);
    // Each in a turn of its own, as a client would send them.
    await Promise.race([ended, bad.ended, new Promise((resolve) => setTimeout(resolve, 100))]);
  }
  const served = connectWire(port, { clientId: 'good' }).then(
    (client) => {
      client.cut();
      return false;
    },
    () => ended,
  );
  const result = await Promise.race([ended, served]);
  child.kill('SIGKILL');
  bad.cut();
  return result;
}

describe('what ends a bare aedes', () => {
  let bus: EmbeddedBus;
  const problems: LedgeError[] = [];
  beforeEach(async () => {
    bus = await openBroker({ port: 0, onProblem: (problem) => problems.push(problem) });
  });
  afterEach(() => bus[Symbol.asyncDispose]());

  test.each(DEADLY)('%s: the hazard is real', async (_, packets) => {
    expect(await endsBareAedes(packets)).toBe(true);
  });

  test.each(DEADLY)('%s harms nobody here', async (_, packets) => {
    const other = await connectWire(bus.port, { clientId: 'other' });
    const bad = await openWire(bus.port);
    for (const packet of packets) bad.sendBytes(packet);
    // A name is a client id like any other; everything else ends its own connection.
    await Promise.race([bad.take('connack').catch(() => bad.ended), bad.ended]);
    if (packets.length > 1) await bad.ended;
    await other.subscribe('still/here');
    await other.publish({ topic: 'still/here', qos: 1 });
    await other.message('still/here');
    other.cut();
    bad.cut();
  });

  test.each(names.flatMap((name) => [[name, 4] as const, [name, 5] as const]))(
    'client id %s is served on MQTT level %s, twice too',
    async (clientId, version) => {
      const first = await connectWire(bus.port, { clientId, version });
      const second = await connectWire(bus.port, { clientId, version });
      await first.ended;
      await second.subscribe(clientId);
      await second.publish({ topic: clientId, qos: 1 });
      expect((await second.message(clientId)).topic).toBe(clientId);
      expect(second.connack.returnCode ?? second.connack.reasonCode).toBe(0);
      await second.leave();
    },
  );
});

describe('connections that only hold a place', () => {
  test('one that sends nothing, half a CONNECT, or half a length is closed in time', async () => {
    await using bus = await openBroker({ port: 0, limits: { connectTimeoutMs: 150 } });
    for (const bytes of [[], connect(5, 'half').slice(0, 9), [0x10, 0x80]]) {
      const client = await openWire(bus.port);
      client.sendBytes(bytes);
      await client.ended;
    }
  });

  test('no more than a CONNECT is waited for before one came', async () => {
    await using bus = await openBroker({ port: 0 });
    for (const bytes of [
      [0x30, 0xff, 0xff, 0x7f],
      [0x10, 0xff, 0xff, 0xff, 0x7f],
    ]) {
      const client = await openWire(bus.port);
      client.sendBytes(bytes);
      await client.ended;
    }
  });

  test('a refused client is told, and its socket closed, while it goes on sending', async () => {
    await using bus = await openBroker({ port: 0 });
    const client = await connectWire(bus.port, { clientId: 'chatty' });
    client.sendBytes(frame(0x30, [...text('a/+'), 0]));
    for (let at = 0; at < 50; at += 1) client.socket.write(Buffer.alloc(64 * 1024));
    expect((await client.farewell())?.reasonCode).toBe(0x90);
    await expect.poll(() => bus.connections).toBe(0);
  });
});

describe('over WebSocket', () => {
  test('a refused client is told, and its connection closed', async () => {
    await using bus = await openBroker({ port: 0 });
    const web = createServer();
    bus.attachWebSocket(web);
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
    const address = web.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const socket = new WebSocket(`ws://127.0.0.1:${address.port}/mqtt`, ['mqtt']);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    const came: number[] = [];
    socket.on('message', (data: Buffer) => came.push(...data));
    await new Promise((resolve) => socket.once('open', resolve));
    socket.send(Buffer.from([...connect(5, 'web'), ...frame(0x30, [...text('a/+'), 0])]));
    await closed;
    expect(came[0]).toBe(0x20);
    expect(came.slice(-4)).toEqual([0xe0, 2, 0x90, 0]);
    await new Promise((resolve) => web.close(resolve));
  });
});

describe('what is announced when it closes', () => {
  test('a client of MQTT 5 is told that the broker shuts down', async () => {
    const bus = await openBroker({ port: 0 });
    const client = await connectWire(bus.port, { clientId: 'last' });
    await bus[Symbol.asyncDispose]();
    expect((await client.farewell())?.reasonCode).toBe(0x8b);
  });

  test('a violation names the client and what was wrong', async () => {
    const problems: LedgeError[] = [];
    const onProblem = (problem: LedgeError) => problems.push(problem);
    await using bus = await openBroker({ port: 0, onProblem });
    const client = await connectWire(bus.port, { clientId: 'wrong' });
    client.sendBytes([0x38, 4, 0, 1, 97, 0]);
    await client.ended;
    expect(problems.map(({ message }) => message)).toContainEqual(
      expect.stringMatching(/client "wrong".*QoS 0 that says it is sent again/),
    );
  });
});
