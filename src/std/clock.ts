/** Time as a part of the program sees it: the system's, or a test's own. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Calls once after a while; gives how to call it off. Does not keep the process alive. */
  after(milliseconds: number, call: () => void): () => void;
  /** Calls again and again; gives how to stop it. Does not keep the process alive. */
  every(milliseconds: number, call: () => void): () => void;
}

export const systemClock: Clock = {
  now: Date.now,
  after(milliseconds, call) {
    const timer = setTimeout(call, milliseconds).unref();
    return () => clearTimeout(timer);
  },
  every(milliseconds, call) {
    const timer = setInterval(call, milliseconds).unref();
    return () => clearInterval(timer);
  },
};
