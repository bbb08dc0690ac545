import type { Bus } from '../bus/bus.ts';
import type { DropReason, FlowEvent } from '../flow/event.ts';
import type { Clock } from '../std/clock.ts';

/** Events named one by one in a report; beyond them only the count is told. */
const NAMED_MAX = 256;
/** Drops are gathered this long: reporting each alone would cost as much as its result. */
const GATHER_MS = 100;

/** Tells on a flow's `dropped` topic what was given up, by reason. */
export interface DropReporter {
  /** `onTold` is called once the report that counts this event has been handed over. */
  report(event: FlowEvent, reason: DropReason, onTold?: () => void): void;
  /** Publishes what is still gathered. */
  flush(): Promise<void>;
}

interface Named {
  readonly id: string;
  readonly device: string;
  readonly ts: number;
  /** Of the request, base64: its sender can tell which of its events this was. */
  readonly correlationData?: string;
}

interface Gathered {
  count: number;
  readonly events: Named[];
  readonly told: (() => void)[];
}

/** Gathers drops and publishes `{flow, reason, count, events}`: the first 256 by name. */
export function createDropReporter(options: {
  readonly bus: Bus;
  readonly flow: string;
  readonly topic: string;
  readonly clock: Clock;
  onPublishFailed(error: unknown): void;
}): DropReporter {
  const gathered = new Map<DropReason, Gathered>();
  let cancel: (() => void) | undefined;

  async function flush(): Promise<void> {
    cancel?.();
    cancel = undefined;
    const reports = [...gathered];
    gathered.clear();
    for (const [reason, { count, events, told }] of reports) {
      const body = { flow: options.flow, reason, count, ts: Date.now(), events };
      try {
        await options.bus.publish({
          topic: options.topic,
          payload: Buffer.from(JSON.stringify(body)),
          qos: 1,
          retain: false,
          properties: { contentType: 'application/json' },
        });
        for (const tell of told) tell();
      } catch (error) {
        options.onPublishFailed(error);
      }
    }
  }

  return {
    report(event, reason, onTold) {
      let entry = gathered.get(reason);
      if (entry === undefined) {
        entry = { count: 0, events: [], told: [] };
        gathered.set(reason, entry);
      }
      entry.count += 1;
      if (onTold !== undefined) entry.told.push(onTold);
      if (entry.events.length < NAMED_MAX) {
        const { id, device, ts, correlationData } = event;
        entry.events.push({
          id,
          device,
          ts,
          ...(correlationData !== undefined && {
            correlationData: Buffer.from(correlationData).toString('base64'),
          }),
        });
      }
      cancel ??= options.clock.after(GATHER_MS, () => void flush());
    },
    flush,
  };
}
