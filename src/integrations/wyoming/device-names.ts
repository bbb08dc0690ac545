/** A name rests so long before it means somebody else: results of the one before have come by then. */
const REST_MS = 5000;

/** The device names of a server's clients: `wyoming-1`, `wyoming-2`, ... */
export interface DeviceNames {
  /** A name that no other client has; one that rested, before a new one. */
  take(): string;
  give(name: string): void;
}

/**
 * Hands out at most `countMax` names, so that what the node keeps of each device stays bounded; more
 * clients than that at once must not ask.
 */
export function createDeviceNames(countMax: number, now: () => number): DeviceNames {
  const free: { readonly name: string; readonly since: number }[] = [];
  let made = 0;
  return {
    take() {
      const [oldest] = free;
      if (oldest !== undefined && (made >= countMax || now() - oldest.since >= REST_MS)) {
        free.shift();
        return oldest.name;
      }
      made += 1;
      return `wyoming-${made}`;
    },
    give(name) {
      free.push({ name, since: now() });
    },
  };
}
