import type { BusState } from './bus.ts';

/** Whether the bus is online, and who wants to know. */
export interface Presence {
  readonly state: BusState;
  change(next: BusState): void;
  listen(tell: (state: BusState) => void): () => void;
}

/** Creates the presence of a bus that is offline yet. */
export function createPresence(): Presence {
  const listeners = new Set<(state: BusState) => void>();
  let state: BusState = 'offline';
  return {
    get state() {
      return state;
    },
    change(next) {
      if (state === next) return;
      state = next;
      for (const tell of listeners) tell(next);
    },
    listen(tell) {
      listeners.add(tell);
      return () => listeners.delete(tell);
    },
  };
}
