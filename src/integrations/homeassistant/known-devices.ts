/** One sender of one flow. */
export interface KnownDevice {
  readonly flow: string;
  readonly device: string;
  seenAt: number; // milliseconds since 1970
}

/** The devices that are shown, bounded. */
export interface KnownDevices extends Iterable<KnownDevice> {
  /** Notes a sign of life: a device that was there, a new one, or one for which there is no room. */
  see(flow: string, device: string): 'known' | 'new' | 'refused';
  forget(flow: string, device: string): void;
  /** Forgets those of flows that are gone, and those not seen for longer. */
  prune(flows: ReadonlySet<string>, silentMsMax: number): readonly KnownDevice[];
}

/** Creates an empty list. What has no room stays out, so that crowds do not push each other out. */
export function createKnownDevices(devicesMax: number, now: () => number): KnownDevices {
  const known = new Map<string, KnownDevice>();
  const keyOf = (flow: string, device: string) => `${flow}/${device}`;
  return {
    see(flow, device) {
      const key = keyOf(flow, device);
      const found = known.get(key);
      if (found !== undefined) {
        found.seenAt = now();
        return 'known';
      }
      if (known.size >= devicesMax) return 'refused';
      known.set(key, { flow, device, seenAt: now() });
      return 'new';
    },
    forget: (flow, device) => void known.delete(keyOf(flow, device)),
    prune(flows, silentMsMax) {
      const gone = [...known.values()].filter(
        ({ flow, seenAt }) => !flows.has(flow) || now() - seenAt > silentMsMax,
      );
      for (const { flow, device } of gone) known.delete(keyOf(flow, device));
      return gone;
    },
    [Symbol.iterator]: () => known.values(),
  };
}
