import { createEar, type Ear, type EarOptions } from './ear.ts';

/** Devices beside the configured ones: what anybody may send must not fill the memory. */
const STRANGERS_MAX = 64;

/** An ear for each device that is heard. */
export interface Ears {
  get(device: string): Ear | undefined;
  /** Its ear, a new one where there is none; undefined where there is no room for it. */
  open(device: string): Ear | undefined;
  [Symbol.iterator](): Iterator<Ear>;
}

export interface EarsOptions extends EarOptions {
  /** Whether a device always has room. */
  isKnown(device: string): boolean;
  /** Whether an ear is in use, and cannot be let go. */
  isBusy(ear: Ear): boolean;
  opened(ear: Ear): void;
  closed(ear: Ear): void;
}

/** No ears yet. The stranger that was silent longest makes room for a new one. */
export function createEars(options: EarsOptions): Ears {
  const known = new Map<string, Ear>();
  const strangers = new Map<string, Ear>();

  function makeRoom(): boolean {
    if (strangers.size < STRANGERS_MAX) return true;
    const idle = [...strangers.values()]
      .filter((ear) => !options.isBusy(ear))
      .sort((a, b) => (a.heardAtMs ?? 0) - (b.heardAtMs ?? 0))[0];
    if (idle === undefined) return false;
    strangers.delete(idle.device);
    options.closed(idle);
    return true;
  }

  return {
    get: (device) => known.get(device) ?? strangers.get(device),
    open(device) {
      const there = known.get(device) ?? strangers.get(device);
      if (there !== undefined) return there;
      const isKnown = options.isKnown(device);
      if (!isKnown && !makeRoom()) return undefined;
      const ear = createEar(device, options);
      (isKnown ? known : strangers).set(device, ear);
      options.opened(ear);
      return ear;
    },
    *[Symbol.iterator]() {
      yield* known.values();
      yield* strangers.values();
    },
  };
}
