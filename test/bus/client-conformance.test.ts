import { describe } from 'vitest';
import { openClient } from '../../src/bus/client.ts';
import { describeBus } from '../conformance/bus.ts';
import { startMosquitto } from '../harness/mosquitto.ts';
import { startProxy } from '../harness/proxy.ts';
import { hasTool } from '../harness/tools.ts';

describe.skipIf(!hasTool('mosquitto'))('client of mosquitto (skipped without mosquitto)', () => {
  describeBus('over MQTT 5', {
    properties: 'kept',
    async open() {
      const mosquitto = await startMosquitto();
      const bus = await openClient({ url: mosquitto.url, clientId: 'node' });
      const close = async () => {
        await bus[Symbol.asyncDispose]();
        await mosquitto.remove();
      };
      return { bus, close };
    },
  });

  describeBus('over MQTT 3.1.1', {
    properties: 'absent',
    async open() {
      const mosquitto = await startMosquitto();
      const proxy = await startProxy(mosquitto.port, 'code 0x84');
      const bus = await openClient({ url: proxy.url, clientId: 'node' });
      const close = async () => {
        await bus[Symbol.asyncDispose]();
        await proxy.remove();
        await mosquitto.remove();
      };
      return { bus, close };
    },
  });
});
