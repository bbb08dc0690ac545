import type { OutboxClass } from '../../store/outbox-class.ts';
import { createFilterIndex } from '../filter.ts';

/** How a topic is renamed: one prefix for the other. */
export interface PrefixMap {
  readonly local: string;
  readonly remote: string;
}

/** Local topics that go up. */
export interface UpRoute {
  /** Of local topics. */
  readonly filter: string;
  readonly class: OutboxClass;
  readonly qos: 0 | 1;
  /** Published up with the retain flag, and again to a broker that has forgotten the node. */
  readonly retain: boolean;
  readonly prefix: PrefixMap;
}

/** Remote topics that come down. */
export interface DownRoute {
  /** Of remote topics. */
  readonly filter: string;
  readonly qos: 0 | 1 | 2;
  /** Whether the retain flag of what comes stays. */
  readonly retain: boolean;
  readonly prefix: PrefixMap;
}

/** The first route of a list whose filter takes the topic. */
export function createRouteIndex<Route extends { readonly filter: string }>(
  routes: readonly Route[],
): (topic: string) => Route | undefined {
  const index = createFilterIndex<Route>();
  for (const route of routes) index.add(route.filter, route);
  return (topic) => index.match(topic)[0];
}

/** A topic with its prefix changed; undefined where it has not that prefix. */
export function renameTopic(topic: string, from: string, to: string): string | undefined {
  return topic.startsWith(from) ? to + topic.slice(from.length) : undefined;
}
