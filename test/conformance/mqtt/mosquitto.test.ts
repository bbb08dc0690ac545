import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Mosquitto, startMosquitto } from '../../harness/mosquitto.ts';
import { hasTool } from '../../harness/tools.ts';
import { ALL_CASES, nameOf } from './all-cases.ts';
import { runCase } from './case.ts';
import { FAILED_BY_MOSQUITTO } from './open-cases.ts';

describe.skipIf(!hasTool('mosquitto'))('the same cases with a mosquitto 2.0 (if installed)', () => {
  let mosquitto: Mosquitto;
  beforeAll(async () => {
    mosquitto = await startMosquitto({ config: ['persistent_client_expiration 1d'] });
  });
  afterAll(() => mosquitto.remove());

  test.concurrent.each(ALL_CASES.map((one) => [nameOf(one), one] as const))(
    '%s',
    async (name, one) => {
      const run = runCase(one, mosquitto.port);
      if (FAILED_BY_MOSQUITTO.has(name)) await expect(run).rejects.toThrow();
      else await run;
    },
  );
});
