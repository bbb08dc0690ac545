import { createSocket } from 'node:dgram';
import { Bonjour, type Service } from 'bonjour-service';
import { describe, expect, test } from 'vitest';
import { announce } from '../../../src/integrations/wyoming/zeroconf.ts';

/** Group and port of multicast DNS [RFC 6762]. */
const GROUP = '224.0.0.251';
/** A datagram to the own machine takes less than a millisecond. */
const PROBE_MS = 2000;

/** Why a datagram to the group does not come back to this machine; undefined: it does. */
function multicastProblem(): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket({ type: 'udp4', reuseAddr: true });
    const end = (problem: string | undefined) => {
      clearTimeout(timer);
      socket.close();
      resolve(problem);
    };
    const timer = setTimeout(() => end('a datagram to the group did not come back'), PROBE_MS);
    socket.on('error', (error) => end(error.message));
    socket.on('message', () => end(undefined));
    socket.bind(0, () => {
      try {
        socket.addMembership(GROUP);
        socket.setMulticastLoopback(true);
        socket.send('x', socket.address().port, GROUP, (error) => {
          if (error) end(error.message);
        });
      } catch (error) {
        end((error as Error).message);
      }
    });
  });
}

const problem = await multicastProblem();
if (problem !== undefined) console.warn(`SKIPPED: no multicast on this machine: ${problem}`);

describe.skipIf(problem !== undefined)(`zeroconf (needs multicast: ${problem ?? 'works'})`, () => {
  test('another browser finds the server with its port, and that it went', async () => {
    const node = `test-${process.pid}`;
    const browser = new Bonjour();
    const problems: unknown[] = [];
    try {
      const announced = announce({
        ...{ node, host: '0.0.0.0', port: 10_400 },
        onProblem: (one) => problems.push(one),
      });
      const found = browser.find({ type: 'wyoming' });
      const named = (event: 'up' | 'down') =>
        new Promise<Service>((resolve) => {
          found.on(event, (service: Service) => {
            if (service.name === `Ledge ${node}`) resolve(service);
          });
        });
      const down = named('down');
      const { port, type, protocol, host, addresses } = await named('up');
      expect({ port, type, protocol }).toEqual({ port: 10_400, type: 'wyoming', protocol: 'tcp' });
      expect(host).toBe(`ledge-${node}.local`);
      expect(addresses?.filter((address) => address.includes(':'))).toEqual([]);
      await announced[Symbol.asyncDispose]();
      expect((await down).name).toBe(`Ledge ${node}`);
      expect(problems).toEqual([]);
    } finally {
      await new Promise<void>((resolve) => browser.destroy(() => resolve()));
    }
  });
});
