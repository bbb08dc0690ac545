import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../std/clock.ts';
import type { ClassStats, OutboxClass } from '../../store/outbox-class.ts';
import type { DownCounts } from './down.ts';

/** At most one report a second: each is a retained message, written to disk. */
const REPORT_MS = 1_000;
/** While messages wait, their age is told anew so often. */
const AGE_MS = 30_000;

/** The state of the uplink as `bridge/uplink` has it. */
export interface UplinkState {
  readonly connected: boolean;
  /** Milliseconds since 1970. */
  readonly since: number;
  /** Why it is not connected. */
  readonly reason: string | undefined;
  readonly broker: string;
  readonly protocol: '5' | '3.1.1' | undefined;
  readonly queued: Readonly<Record<OutboxClass, ClassStats['queued']>>;
  readonly dropped: Readonly<Record<OutboxClass, ClassStats['dropped']>>;
  readonly emitted: Readonly<Record<OutboxClass, number>>;
  readonly acked: Readonly<Record<OutboxClass, number>>;
  readonly down: DownCounts;
}

/** Publishes the state when it changed. */
export interface Report {
  /** Something may have changed. */
  changed(): void;
  /** Publishes now. */
  flush(): Promise<void>;
  close(): void;
}

/** Creates the report; `publish` must not fail. */
export function createReport(options: {
  readonly clock: Clock;
  state(): UplinkState;
  publish(state: UplinkState): Promise<void>;
}): Report {
  const { clock } = options;
  let told: UplinkState | undefined;
  let cancel: (() => void) | undefined;

  async function flush(): Promise<void> {
    cancel?.();
    cancel = undefined;
    told = options.state();
    await options.publish(told);
  }

  function tellIfNew(): void {
    cancel = undefined;
    const state = options.state();
    if (told === undefined || !isDeepStrictEqual(withoutAges(state), withoutAges(told))) {
      void flush();
    }
  }

  function tellAges(): void {
    const waiting = Object.values(options.state().queued).some(({ messages }) => messages > 0);
    if (waiting) void flush();
  }

  const stopAges = clock.every(AGE_MS, tellAges);
  return {
    changed() {
      cancel ??= clock.after(REPORT_MS, tellIfNew);
    },
    flush,
    close() {
      stopAges();
      cancel?.();
    },
  };
}

/** Ages change all the time. */
function withoutAges(state: UplinkState): object {
  const queued = Object.values(state.queued).map(({ messages, bytes }) => [messages, bytes]);
  return { ...state, queued };
}
