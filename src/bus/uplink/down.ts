import { toLedgeError } from '../../std/error.ts';
import type { Bus, Delivery, Message } from '../bus.ts';
import type { ExternalBus } from '../client.ts';
import { topicProblem } from '../topics.ts';
import { type EchoMemory, hasPassed, withPassage } from './passage.ts';
import { createRouteIndex, type DownRoute, renameTopic } from './route.ts';

/** A node that cannot take a message now is asked again; meanwhile the broker keeps the rest. */
const RETRY_MS = 1_000;

/** What came down, and what was not passed on. */
export interface DownCounts {
  received: number;
  delivered: number;
  dropped: { echo: number; refused: number };
}

export interface DownOptions {
  readonly bus: Bus;
  readonly node: string;
  readonly routes: readonly DownRoute[];
  readonly counts: DownCounts;
  /** What went up a moment ago, while the remote broker speaks MQTT 3.1.1. */
  readonly wentUp: EchoMemory;
  /** Where the local broker carries no user properties. */
  readonly cameDown: EchoMemory | undefined;
  readonly signal: AbortSignal;
  onChange(): void;
  onProblem(problem: Error): void;
}

/** Subscribes to every route at the remote broker, and publishes what comes on the node's bus. */
export async function openDown(client: ExternalBus, options: DownOptions): Promise<void> {
  const { bus, node, routes, counts, signal } = options;
  const routeOf = createRouteIndex(routes);

  function isEcho(message: Message): boolean {
    if (hasPassed(message, node)) return true;
    return client.protocol === '3.1.1' && options.wentUp.recognise(message);
  }

  async function publish(message: Message): Promise<void> {
    for (;;) {
      try {
        options.cameDown?.remember(message);
        return await bus.publish(message);
      } catch (error) {
        const problem = toLedgeError(error);
        if (!problem.retriable || signal.aborted) throw problem;
        await waitFor(RETRY_MS, signal);
      }
    }
  }

  async function take(delivery: Delivery, route: DownRoute): Promise<void> {
    const { message } = delivery;
    delivery.accept();
    if (routeOf(message.topic) !== route) return delivery.settle();
    counts.received += 1;
    const topic = renameTopic(message.topic, route.prefix.remote, route.prefix.local);
    if (isEcho(message)) {
      counts.dropped.echo += 1;
    } else if (topic === undefined || topicProblem(topic) !== undefined) {
      counts.dropped.refused += 1;
    } else {
      const retain = message.retain && route.retain;
      try {
        await publish(withPassage({ ...message, topic, retain }, node));
        counts.delivered += 1;
      } catch (error) {
        // Not settled while the node stops: the broker sends it again to the next run.
        if (signal.aborted) return;
        counts.dropped.refused += 1;
        options.onProblem(toLedgeError(error));
      }
    }
    delivery.settle();
    options.onChange();
  }

  for (const route of routes) {
    await client.subscribe(route.filter, { qos: route.qos }, (delivery) => {
      void take(delivery, route);
    });
  }
}

function waitFor(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, milliseconds);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done);
  });
}
