import { LedgeError, toLedgeError } from '../../std/error.ts';
import type { DurableOutbox } from '../../store/outbox.ts';
import type { Bus, Delivery, Message, Subscription } from '../bus.ts';
import type { ExternalBus } from '../client.ts';
import { topicProblem } from '../topics.ts';
import { encodeEnvelope } from './envelope.ts';
import { type EchoMemory, hasPassed, withPassage } from './passage.ts';
import { createRouteIndex, renameTopic, type UpRoute } from './route.ts';

/** How long retained messages are waited for where the local broker is another process. */
const RETAINED_WAIT_MS = 1_000;

/** The node's own bus, embedded or not. */
export type LocalBus = Bus & Partial<Pick<ExternalBus, 'protocol'>>;

export interface UpOptions {
  readonly bus: LocalBus;
  readonly outbox: DurableOutbox;
  readonly node: string;
  readonly routes: readonly UpRoute[];
  /** Local topics that tell of the bridge itself: they would feed themselves. */
  readonly own: ReadonlySet<string>;
  /** What came down a moment ago, where the local broker carries no user properties. */
  readonly cameDown: EchoMemory | undefined;
  onChange(): void;
  onProblem(problem: LedgeError): void;
}

/** The way from the node's bus into the outbox. */
export interface Up {
  /** Puts the retained messages of `retain` routes into the outbox, for a broker that has none. */
  sendRetained(): Promise<void>;
  close(): Promise<void>;
}

/** Subscribes to every route. A message counts for the first route that takes it. */
export async function openUp(options: UpOptions): Promise<Up> {
  const { bus, outbox, node, routes } = options;
  const routeOf = createRouteIndex(routes);
  const subscriptions: Subscription[] = [];

  /** Where the local broker carries no user properties, the memory of hashes has to do. */
  function isEcho(message: Message): boolean {
    return bus.protocol === '3.1.1' && options.cameDown?.recognise(message) === true;
  }

  /** The message as it goes up; undefined: this route does not take it. */
  function outgoing(message: Message, route: UpRoute): Message | undefined {
    const { topic, payload, properties } = message;
    if (routeOf(topic) !== route || options.own.has(topic)) return undefined;
    if (hasPassed(message, node) || isEcho(message)) return undefined;
    const remote = renameTopic(topic, route.prefix.local, route.prefix.remote);
    if (remote === undefined) return undefined;
    const problem = topicProblem(remote);
    if (problem !== undefined) {
      const text = `Cannot send "${topic.slice(0, 200)}" up, with its other prefix ${problem}`;
      options.onProblem(new LedgeError('value-invalid', text));
      return undefined;
    }
    const { qos, retain } = route;
    return withPassage(
      { topic: remote, payload, qos, retain, ...(properties && { properties }) },
      node,
    );
  }

  async function keep(message: Message, route: UpRoute): Promise<void> {
    const expirySeconds = message.properties?.messageExpiryInterval;
    await outbox.put({
      class: route.class,
      topic: message.topic,
      body: encodeEnvelope(message),
      ...(expirySeconds !== undefined && { expirySeconds }),
    });
    options.onChange();
  }

  async function take(delivery: Delivery, route: UpRoute): Promise<void> {
    // What was retained before goes up when a broker is new, not at every start.
    const message = delivery.message.retain ? undefined : outgoing(delivery.message, route);
    try {
      if (message !== undefined) await keep(message, route);
    } catch (error) {
      // Not accepted: its publisher has no acknowledgement, and sends it again.
      const problem = toLedgeError(error);
      if (problem.code !== 'closed') options.onProblem(problem);
      return;
    }
    delivery.accept();
    delivery.settle();
  }

  async function sendRetained(route: UpRoute): Promise<void> {
    const kept: Promise<void>[] = [];
    const subscription = await bus.subscribe(route.filter, { qos: 1 }, (delivery) => {
      const { message } = delivery;
      const remote = message.retain ? outgoing(message, route) : undefined;
      // A newer value of the topic is on its way already.
      if (remote !== undefined && !outbox.holds(route.class, remote.topic)) {
        kept.push(keep(remote, route));
      }
      delivery.accept();
      delivery.settle();
    });
    if (bus.kind === 'external') {
      await new Promise((resolve) => setTimeout(resolve, RETAINED_WAIT_MS));
    }
    await subscription.close();
    await Promise.all(kept);
  }

  for (const route of routes) {
    const handler = (delivery: Delivery) => void take(delivery, route);
    subscriptions.push(await bus.subscribe(route.filter, { qos: 1 }, handler));
  }

  return {
    async sendRetained() {
      for (const route of routes) if (route.retain) await sendRetained(route);
    },
    async close() {
      for (const subscription of subscriptions) await subscription.close();
    },
  };
}
