import {
  configTopicOf,
  type DiscoveryContext,
  deviceDiscovery,
  nodeDiscovery,
  ownTopic,
} from './discovery.ts';
import type { FlowView } from './flow-view.ts';
import type { KnownDevice } from './known-devices.ts';
import type { Wanted } from './retained.ts';

/** What is known when the topics are worked out. */
export interface WantedState {
  readonly flows: readonly FlowView[];
  readonly known: Iterable<KnownDevice>;
  /** undefined: none were read yet. */
  readonly diagnostics: string | undefined;
  /** The last state on a topic, where there was one since the start. */
  last(topic: string): string | undefined;
}

/** Every retained topic that Home Assistant should find of this node. */
export function wantedTopics(context: DiscoveryContext, state: WantedState): Wanted {
  const { node, base } = context;
  const { flows, known, diagnostics, last } = state;
  const all = new Map<string, { readonly payload: string } | 'any'>();
  const add = (topic: string, payload: string | undefined) =>
    all.set(topic, payload === undefined ? 'any' : { payload });
  const own = nodeDiscovery(context, flows);
  add(own.topic, own.payload);
  for (const { name, running } of flows) {
    const payload = JSON.stringify({ state: running ? 'online' : 'offline' });
    add(ownTopic(base, 'availability', name), payload);
  }
  add(ownTopic(base, 'diagnostics'), diagnostics);
  const shapes = new Map(flows.map(({ name, shape }) => [name, shape]));
  for (const { flow, device } of known) {
    const shape = shapes.get(flow);
    const found = shape && deviceDiscovery(context, { name: flow, shape }, device);
    if (shape !== undefined && found === undefined) continue;
    // A file that is refused is being worked on: what was shown of it stays.
    add(configTopicOf(context, { node, flow, device }), found?.payload);
    const topic = ownTopic(base, 'state', flow, device);
    add(topic, last(topic));
  }
  return all;
}
