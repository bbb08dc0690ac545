import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readTemperature } from '../../src/devices/thermometer.ts';
import { temporaryFolder } from '../harness/node.ts';

test('the temperature is that of the hottest zone, or none', async () => {
  const folder = await temporaryFolder();
  expect(await readTemperature(folder)).toBeUndefined();
  for (const [zone, text] of [
    ['thermal_zone0', '41250\n'],
    ['thermal_zone1', '52000'],
    ['cooling_device0', '99999'],
  ] as const) {
    await mkdir(join(folder, zone));
    await writeFile(join(folder, zone, 'temp'), text);
  }
  expect(await readTemperature(folder)).toBe(52);
  await rm(folder, { recursive: true });
});
