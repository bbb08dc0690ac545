/** Reasons that one site may be off for at once: the protocol has four. */
const REASONS_MAX = 16;

/** What is switched off at some sites, each for any number of reasons. */
export interface Gate {
  off(site: string, reason: string | null): void;
  /** Without a reason it is on whatever it was off for. */
  on(site: string, reason: string | null): void;
  isOff(site: string): boolean;
}

/** Everything is on; `onChange` hears of each change. More than `sitesMax` sites are not kept off. */
export function createGate(
  sitesMax: number,
  onChange: (site: string, enabled: boolean) => void,
): Gate {
  const reasons = new Map<string, Set<string>>();
  return {
    off(site, reason) {
      const known = reasons.get(site);
      if (known === undefined && reasons.size >= sitesMax) return;
      if (known === undefined) reasons.set(site, new Set([reason ?? '']));
      else if (known.size < REASONS_MAX) known.add(reason ?? '');
      if (known === undefined) onChange(site, false);
    },
    on(site, reason) {
      const known = reasons.get(site);
      if (known === undefined) return;
      if (reason === null) known.clear();
      else known.delete(reason);
      if (known.size > 0) return;
      reasons.delete(site);
      onChange(site, true);
    },
    isOff: (site) => reasons.has(site),
  };
}
