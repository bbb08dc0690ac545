import { createFilterIndex } from '../filter.ts';
import type { Placed, Session, SessionSubscription } from './session.ts';

/** What one session gets of a topic. */
export interface Route {
  readonly session: Session;
  /** The highest that a matching subscription was granted [MQTT-3.3.5-1]. */
  readonly qos: 0 | 1 | 2;
  readonly subscriptions: readonly SessionSubscription[];
}

/** Which sessions take a topic. */
export interface Routes {
  add(placed: Placed): () => void;
  of(topic: string): readonly Route[];
}

/** Creates the routes of one broker. */
export function createRoutes(): Routes {
  const index = createFilterIndex<Placed>();
  // The index gives the same list for a topic until its subscriptions change.
  const grouped = new WeakMap<readonly Placed[], readonly Route[]>();
  return {
    add: (placed) => index.add(placed.subscription.topic, placed),
    of(topic) {
      const matches = index.match(topic);
      if (matches.length === 0) return NONE;
      let routes = grouped.get(matches);
      if (routes === undefined) {
        routes = group(matches);
        grouped.set(matches, routes);
      }
      return routes;
    },
  };
}

const NONE: readonly Route[] = [];

/** A route without the subscriptions that do not want their client's own messages; [MQTT-3.8.3-3]. */
export function routeFor(route: Route, publisher: string | undefined): Route | undefined {
  const { session, subscriptions } = route;
  if (publisher !== session.id || !subscriptions.some(({ nl }) => nl === true)) return route;
  const others = subscriptions.filter(({ nl }) => nl !== true);
  return others.length === 0 ? undefined : routeOf(session, others);
}

/** The identifiers that a message carries to a session. */
export function identifiersOf({ subscriptions }: Route): readonly number[] {
  return subscriptions.flatMap(({ subscriptionIdentifier: one }) => (one === undefined ? [] : one));
}

function group(matches: readonly Placed[]): readonly Route[] {
  const bySession = new Map<Session, SessionSubscription[]>();
  for (const { session, subscription } of matches) {
    const list = bySession.get(session);
    if (list === undefined) bySession.set(session, [subscription]);
    else list.push(subscription);
  }
  return [...bySession].map(([session, subscriptions]) => routeOf(session, subscriptions));
}

function routeOf(session: Session, subscriptions: readonly SessionSubscription[]): Route {
  let qos: 0 | 1 | 2 = 0;
  for (const subscription of subscriptions) {
    if (subscription.qos > qos) qos = subscription.qos;
  }
  return { session, qos, subscriptions };
}
