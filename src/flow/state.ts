/** What the devices of one flow have learned, as the steps' snapshots by place. */
export interface StateStore {
  load(device: string): Readonly<Record<string, unknown>>;
  save(device: string, state: Readonly<Record<string, unknown>>): void;
  /** A kept state that its step could not read: it starts afresh, and somebody should know. */
  refuse(device: string, place: string, error: unknown): void;
  /** Forgets one device, or all. Gives how many had a state. */
  forget(device?: string): number;
}

/** State that lives as long as the process: for tests, traces and flows that learn nothing. */
export function createMemoryState(): StateStore {
  const states = new Map<string, Readonly<Record<string, unknown>>>();
  return {
    load: (device) => states.get(device) ?? {},
    save(device, state) {
      if (Object.keys(state).length > 0) states.set(device, state);
    },
    refuse: (device) => states.delete(device),
    forget(device) {
      if (device !== undefined) return states.delete(device) ? 1 : 0;
      const count = states.size;
      states.clear();
      return count;
    },
  };
}
