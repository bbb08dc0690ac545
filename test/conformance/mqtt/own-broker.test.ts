import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type EmbeddedBus, openBroker } from '../../../src/bus/broker.ts';
import { ALL_CASES, nameOf } from './all-cases.ts';
import { runCase } from './case.ts';
import { OPEN } from './open-cases.ts';

describe('MQTT conformance of the own broker', () => {
  let bus: EmbeddedBus;
  beforeAll(async () => {
    bus = await openBroker({ port: 0 });
  });
  afterAll(() => bus[Symbol.asyncDispose]());

  test.concurrent.each(ALL_CASES.map((one) => [nameOf(one), one] as const))(
    '%s',
    async (name, one) => {
      const run = runCase(one, bus.port);
      if (OPEN.has(name)) await expect(run).rejects.toThrow();
      else await run;
    },
  );
});
