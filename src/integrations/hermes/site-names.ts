import { createHash } from 'node:crypto';
import type { Places } from './options.ts';

/** What fits a topic level, a file name and the configuration. */
const DEVICE_LENGTH_MAX = 64;
/** Hex digits that tell cut names apart. */
const HASH_LENGTH = 16;
/** Names that cannot begin as others do are put behind it; no other name begins so. */
const PREFIX = 'x_x_';

/**
 * A device name made of a siteId: itself where it is letters, digits, - and _; anything else becomes
 * `_x` and two hex digits for each byte of UTF-8. No two siteIds of at most 64 such characters share a
 * name, and none has one of `wyoming-<n>`, which are another integration's. Longer ones end in a hash.
 */
export function deviceOfSiteId(siteId: string): string {
  const safe = siteId
    .replace(/_(?=x)/g, escaped)
    .replace(/[^a-zA-Z0-9_-]/gu, escaped)
    .replace(/^wyoming-/, `wyoming${escaped('-')}`);
  const name = /^[a-zA-Z0-9]/.test(safe) ? safe : `${PREFIX}${safe}`;
  if (name.length <= DEVICE_LENGTH_MAX) return name;
  const hash = createHash('sha256').update(siteId).digest('hex').slice(0, HASH_LENGTH);
  return `${name.slice(0, DEVICE_LENGTH_MAX - HASH_LENGTH - 3)}_x-${hash}`;
}

/** The siteId that a device name was made of; a name that was not made so is its own siteId. */
export function siteIdOfDevice(device: string): string {
  const bare = device.startsWith(PREFIX) ? device.slice(PREFIX.length) : device;
  const bytes = Buffer.from(bare).toString('latin1');
  const plain = bytes.replace(/_x([0-9a-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(plain, 'latin1').toString();
}

function escaped(character: string): string {
  return [...Buffer.from(character)]
    .map((byte) => `_x${byte.toString(16).padStart(2, '0')}`)
    .join('');
}

/** Long siteIds that are remembered, since their device names do not tell them. */
const LONG_NAMES_MAX = 256;

/** Which site of the node a siteId means, and back. */
export interface SiteNames {
  siteOf(siteId: string): string;
  /** The siteId of a site; the device decides where several share the site. */
  siteIdOf(site: string, device?: string): string;
  /** What a site is called in sentences. */
  roomOf(site: string): string;
}

export interface SiteNamesOptions {
  /** Site by siteId, as configured. */
  readonly pairs: Readonly<Record<string, string>>;
  readonly places: Places;
  /** Devices of this node itself: no siteId has made their names. */
  readonly own: readonly string[];
}

/** A siteId is the configured site, a site of that name, the site of its device, or one of its own. */
export function createSiteNames({ pairs, places, own }: SiteNamesOptions): SiteNames {
  const sites = new Map(Object.entries(pairs));
  const rooms = new Map(Object.entries(places).map(([site, { room }]) => [site, room]));
  const siteOfDevice = new Map(
    Object.entries(places).flatMap(([site, { devices }]) =>
      devices.map((device) => [device, site] as const),
    ),
  );
  const long = new Map<string, string>();
  const known = (name: string) => long.get(name) ?? siteIdOfDevice(name);

  function deviceOf(siteId: string): string {
    const device = deviceOfSiteId(siteId);
    if (device.length === DEVICE_LENGTH_MAX && !long.has(device)) {
      const [oldest] = long.keys();
      if (long.size >= LONG_NAMES_MAX && oldest !== undefined) long.delete(oldest);
      long.set(device, siteId);
    }
    return device;
  }

  function siteOf(siteId: string): string {
    const named = sites.get(siteId) ?? (rooms.has(siteId) ? siteId : undefined);
    if (named !== undefined) return named;
    const device = deviceOf(siteId);
    return siteOfDevice.get(device) ?? device;
  }

  return {
    siteOf,
    siteIdOf(site, device) {
      if (device !== undefined && !own.includes(device)) {
        const siteId = known(device);
        if (siteOf(siteId) === site) return siteId;
      }
      const named = [...sites].find(([, to]) => to === site);
      return named?.[0] ?? (rooms.has(site) ? site : known(site));
    },
    roomOf: (site) => rooms.get(site) ?? site,
  };
}
