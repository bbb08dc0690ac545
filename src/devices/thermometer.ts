import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Where Linux tells what its sensors read. */
const THERMAL = '/sys/class/thermal';
/** Zones read at most: boards have one to a dozen. */
const ZONES_MAX = 32;

/** The hottest zone of the machine in degrees Celsius; undefined where it tells of none. */
export async function readTemperature(folder = THERMAL): Promise<number | undefined> {
  const names = await readdir(folder).catch(() => []);
  const zones = names.filter((name) => /^thermal_zone\d+$/.test(name)).slice(0, ZONES_MAX);
  const read = zones.map((zone) => readFile(join(folder, zone, 'temp'), 'utf8').catch(() => ''));
  const texts = await Promise.all(read);
  const degrees = texts.filter((text) => /^-?\d+\s*$/.test(text)).map((text) => Number(text) / 1e3);
  return degrees.length === 0 ? undefined : Math.max(...degrees);
}
