import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Terminal } from '../../src/cli/command.ts';
import { doctor } from '../../src/cli/commands/doctor.ts';
import { checkBroker } from '../../src/cli/doctor/check-broker.ts';
import {
  checkBoard,
  checkClock,
  checkNode,
  checkPrograms,
  checkProviders,
} from '../../src/cli/doctor/check-machine.ts';
import { checkStorage } from '../../src/cli/doctor/check-storage.ts';
import type { Finding } from '../../src/cli/doctor/finding.ts';
import { loadBoard } from '../../src/devices/board.ts';
import { configSchema } from '../../src/node/config.ts';
import { startMosquitto } from '../harness/mosquitto.ts';
import { hasTool } from '../harness/tools.ts';

const folder = mkdtempSync(join(tmpdir(), 'ledge-doctor-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function run(values: Record<string, string | boolean>) {
  let out = '';
  const write = (text: string) => (out += text);
  const terminal: Terminal = {
    stdout: { write },
    stderr: { write },
    signal: new AbortController().signal,
  };
  const code = await doctor.run({ positionals: [], values }, terminal);
  return { code, out };
}

function brokerOf(broker: Record<string, unknown>) {
  return configSchema.parse({ broker }).broker;
}

async function listening(): Promise<{ port: number; close: () => void }> {
  const server = createServer((socket) => socket.destroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}

describe('ledge doctor', () => {
  const data = join(folder, 'data');

  test('finds every row in order and gives exit code 0 where none fails', async () => {
    const { code, out } = await run({ json: true, data, port: '0', board: 'generic-x64' });
    const { findings } = JSON.parse(out) as { findings: Finding[] };
    expect(findings.filter(({ status }) => status === 'fail')).toEqual([]);
    expect(code).toBe(0);
    expect(findings.map(({ name }) => name)).toEqual([
      'node',
      'configuration',
      'board',
      'memory',
      'cores',
      'providers',
      'broker',
      'data',
      'disk',
      'clock',
      'recorders',
      'ffmpeg',
    ]);
    expect(findings.find(({ name }) => name === 'providers')?.found).toMatch(/\bcpu\b/);
  });

  test('gives exit code 1 and advice where something fails', async () => {
    const taken = await listening();
    const { code, out } = await run({ json: true, data, port: String(taken.port) });
    taken.close();
    expect(code).toBe(1);
    const { findings } = JSON.parse(out) as { findings: Finding[] };
    expect(findings.find(({ name }) => name === 'broker')).toMatchObject({
      status: 'fail',
      found: expect.stringContaining('EADDRINUSE'),
      advice: expect.stringContaining('--broker'),
    });
  });

  test('tells of an unknown board and of a broken configuration, and looks at the rest', async () => {
    const { code, out } = await run({ data, port: '0', board: 'rasberry-pi-4' });
    expect(code).toBe(1);
    expect(out).toMatch(/board +fail +.*did you mean "raspberry-pi-4"/);
    expect(out).toMatch(/disk +ok/);
    const config = join(folder, 'ledge.yaml');
    writeFileSync(config, 'borker: {}\n');
    expect((await run({ config })).out).toMatch(/configuration +fail/);
  });
});

test.each([
  ['20.19.0', 'ok'],
  ['20.18.3', 'fail'],
  ['18.20.8', 'fail'],
  ['22.1.0', 'ok'],
])('Node.js %s is %s', (version, status) => {
  expect(checkNode(version).status).toBe(status);
});

test('memory warns below the budget and fails below what a node needs', async () => {
  const board = await loadBoard('generic-x64', { totalMemoryBytes: 2 ** 32, cores: 4 });
  const statusAt = (bytes: number) => checkBoard(board, bytes)[1]?.status;
  expect([2 ** 32, 2 ** 30, 2 ** 27].map(statusAt)).toEqual(['ok', 'warn', 'fail']);
});

test('providers that the runtime has not are a warning, none at all a failure', async () => {
  const board = await loadBoard('jetson-nano');
  expect(checkProviders(board, ['cpu', 'cuda'])).toMatchObject({ status: 'ok' });
  expect(checkProviders(board, ['cpu']).advice).toMatch(/^cuda is not in this build/);
  expect(checkProviders(board, [])).toMatchObject({ status: 'fail', found: 'none' });
});

describe('the clock', () => {
  const now = new Date('2026-11-22T00:00:00Z');

  test('that was never set fails', async () => {
    expect((await checkClock(new Date(0))).status).toBe('fail');
  });

  test('is unknown, not synchronised, or synchronised, as systemd says', async () => {
    const timesync = join(folder, 'timesync');
    expect((await checkClock(now, timesync)).found).toMatch('synchronisation unknown');
    mkdirSync(timesync);
    expect(await checkClock(now, timesync)).toMatchObject({ status: 'warn' });
    writeFileSync(join(timesync, 'synchronized'), '');
    expect((await checkClock(now, timesync)).found).toMatch(', synchronised');
  });
});

test('programs are looked for in PATH', async () => {
  const path = join(folder, 'bin');
  mkdirSync(path);
  expect(await checkPrograms(path)).toMatchObject([{ status: 'warn' }, { status: 'ok' }]);
  writeFileSync(join(path, 'arecord'), '');
  expect((await checkPrograms(path))[0]?.status).toBe('warn');
  chmodSync(join(path, 'arecord'), 0o755);
  expect((await checkPrograms(path))[0]).toMatchObject({ status: 'ok', found: 'arecord' });
});

describe('the data folder', () => {
  test('is written to and left as it was', async () => {
    const [data, disk] = await checkStorage(folder);
    expect(data).toMatchObject({ status: 'ok', found: `${folder}, writable` });
    expect(disk?.found).toMatch(/ free$/);
    expect(readdirSync(folder).filter((name) => name.startsWith('.doctor'))).toEqual([]);
  });

  test('that is not there can be made, and is not made', async () => {
    const path = join(folder, 'a', 'b');
    expect((await checkStorage(path))[0]?.found).toBe(`${path}, can be made`);
    expect(readdirSync(folder)).not.toContain('a');
  });

  test('that is a file fails', async () => {
    const path = join(folder, 'file');
    writeFileSync(path, '');
    expect(await checkStorage(path)).toMatchObject([{ name: 'data', status: 'fail' }]);
    expect(await checkStorage(join(path, 'data'))).toMatchObject([{ status: 'fail' }]);
  });
});

test('a broker that does not answer fails', async () => {
  const server = await listening();
  server.close();
  const [finding] = await checkBroker(brokerOf({ url: `mqtt://127.0.0.1:${server.port}` }));
  expect(finding).toMatchObject({ name: 'broker', status: 'fail' });
});

describe.skipIf(!hasTool('mosquitto'))('a real mosquitto', () => {
  test('tells its version and that it speaks MQTT 5', async () => {
    const mosquitto = await startMosquitto();
    const findings = await checkBroker(brokerOf({ url: mosquitto.url }));
    await mosquitto.remove();
    expect(findings).toEqual([
      { name: 'broker', status: 'ok', found: expect.stringMatching(/mosquitto .*\d/), advice: '' },
      { name: 'mqtt', status: 'ok', found: 'MQTT 5', advice: '' },
    ]);
  });
});
