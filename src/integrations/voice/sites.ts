import type { Session } from './session.ts';

/** Clients of the Wyoming server: their sessions are their own. */
const WYOMING = /^wyoming-/;

/** The last wake of a site, for whoever says that it was none. */
export interface LastWake {
  readonly sessionId: string;
  readonly score: number;
  readonly ts: number;
  /** The sound up to it. */
  readonly clip: Int16Array;
}

/** One place that is spoken in. */
export interface Site {
  readonly name: string;
  readonly room: string;
  /** As configured; of a device that no site names, that device. */
  readonly devices: readonly string[];
  /** Whether wake words open sessions. */
  enabled: boolean;
  /** By the clock: wakes before it are of the wake word that was answered. */
  quietUntilMs: number;
  /** The session that was granted, and its id. */
  open: { readonly id: string; readonly session: Session; readonly wakeScore?: number } | undefined;
  lastWake: LastWake | undefined;
}

/** The sites of a node. */
export interface Sites {
  /** The site of a device that is heard; undefined where its sound is somebody else's. */
  ofDevice(device: string): Site | undefined;
  named(site: string): Site | undefined;
  /** Forgets a site that only a device made. */
  forget(device: string): void;
  isConfigured(device: string): boolean;
  list(): readonly Site[];
}

/** Sites as configured; others are made when their device is heard. */
export function createSites(
  configured: Readonly<
    Record<string, { readonly devices: readonly string[]; readonly room?: string | undefined }>
  >,
): Sites {
  const sites = new Map<string, Site>();
  const byDevice = new Map<string, Site>();
  for (const [name, { devices: given, room = name }] of Object.entries(configured)) {
    const devices = given.length === 0 ? [name] : given;
    const site = create(name, { room, devices });
    sites.set(name, site);
    for (const device of devices) byDevice.set(device, site);
  }
  const own = new Set(byDevice.keys());

  return {
    ofDevice(device) {
      const there = byDevice.get(device);
      if (there !== undefined) return there;
      if (WYOMING.test(device) || sites.has(device)) return undefined;
      const site = create(device, { room: device, devices: [device] });
      sites.set(device, site);
      byDevice.set(device, site);
      return site;
    },
    named: (site) => sites.get(site),
    forget(device) {
      if (own.has(device)) return;
      byDevice.delete(device);
      sites.delete(device);
    },
    isConfigured: (device) => own.has(device),
    list: () => [...sites.values()],
  };
}

function create(name: string, of: Pick<Site, 'room' | 'devices'>): Site {
  return { name, ...of, enabled: true, quietUntilMs: 0, open: undefined, lastWake: undefined };
}
