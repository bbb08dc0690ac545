import type { Bus, Subscription } from '../../bus/bus.ts';
import { compileTopicPattern } from '../../bus/topics.ts';
import type { FlowView } from './flow-view.ts';

/** Last levels of a flow's own topics that are no device. */
const NO_DEVICES = new Set(['dropped', 'dead-letter']);

/** One result as it was published. */
export interface SeenResult {
  readonly flow: string;
  readonly device: string;
  readonly payload: Uint8Array;
}

/** Subscriptions to the results of flows. */
export interface ResultWatch {
  /** Follows the flows that are there now. Changes come one after the other. */
  follow(flows: readonly FlowView[]): Promise<void>;
  close(): Promise<void>;
}

/** Creates the watch; it subscribes at QoS 0: a result that is lost is followed by another. */
export function createResultWatch(
  bus: Bus,
  base: string,
  onResult: (result: SeenResult) => void,
): ResultWatch {
  const open = new Map<string, { readonly flow: string; readonly subscription: Subscription }>();
  let last: Promise<void> = Promise.resolve();
  let closed = false;

  async function subscribe(flow: string, results: string): Promise<void> {
    const pattern = compileTopicPattern(results);
    const own = results === `${base}/${flow}/{device}`;
    const subscription = await bus.subscribe(pattern.filter, { qos: 0 }, (delivery) => {
      delivery.accept();
      delivery.settle();
      const { topic, payload } = delivery.message;
      const device = pattern.deviceOf(topic);
      if (device === undefined || (own && NO_DEVICES.has(device))) return;
      onResult({ flow, device, payload });
    });
    open.set(results, { flow, subscription });
  }

  async function change(flows: readonly FlowView[]): Promise<void> {
    const wanted = new Map(
      flows.flatMap(({ name, shape }) => (shape ? [[shape.results, name]] : [])),
    );
    for (const [results, { flow, subscription }] of open) {
      if (wanted.get(results) === flow) continue;
      open.delete(results);
      await subscription.close();
    }
    for (const [results, flow] of wanted) {
      if (!open.has(results) && !closed) await subscribe(flow, results);
    }
  }

  function inTurn(act: () => Promise<void>): Promise<void> {
    const turn = last.then(act, act);
    last = turn.catch(() => undefined);
    return turn;
  }

  return {
    follow: (flows) => inTurn(() => change(flows)),
    close() {
      closed = true;
      return inTurn(() => change([]));
    },
  };
}
