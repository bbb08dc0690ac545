/**
 * Saves the latest state of each key: while one write of a key is on its way, all later changes of it
 * share the next one. What is returned resolves once the state of the moment of the call is saved.
 */
export function createSaver(write: (key: string) => Promise<void>): (key: string) => Promise<void> {
  interface Slot {
    started: boolean;
    saved: Promise<void>;
    again: Promise<void> | undefined;
  }
  const slots = new Map<string, Slot>();

  function save(key: string): Promise<void> {
    const slot = slots.get(key);
    if (slot === undefined) return begin(key);
    if (!slot.started) return slot.saved;
    slot.again ??= slot.saved.then(() => save(key));
    return slot.again;
  }

  function begin(key: string): Promise<void> {
    const slot: Slot = { started: false, saved: Promise.resolve(), again: undefined };
    slots.set(key, slot);
    slot.saved = run(key, slot);
    return slot.saved;
  }

  /** The first step waits a turn, so that the changes of one packet go together. */
  async function run(key: string, slot: Slot): Promise<void> {
    await undefined;
    slot.started = true;
    try {
      await write(key);
    } finally {
      slots.delete(key);
    }
  }

  return save;
}
