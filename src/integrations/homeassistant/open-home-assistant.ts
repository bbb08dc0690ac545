import type { Bus, Subscription } from '../../bus/bus.ts';
import type { Clock } from '../../std/clock.ts';
import { entitiesOf } from './default-entities.ts';
import { configTopicOf, type DiscoveryContext, ownTopic } from './discovery.ts';
import type { FlowShape, FlowView, NodeFigures } from './flow-view.ts';
import { createKnownDevices } from './known-devices.ts';
import { readConfig } from './read-config.ts';
import { createRetainedTopics, type Wanted } from './retained.ts';
import { createStates } from './states.ts';
import { wantedTopics } from './wanted-topics.ts';
import { createResultWatch, type SeenResult } from './watch-results.ts';

/** After a subscription, the time in which a broker sends what it keeps; later ones count as well. */
const KEPT_MS = 300;
/** All programs of a house hear Home Assistant start: they should not all speak at once. */
const BIRTH_JITTER_MS = 1_000;

/** How Home Assistant is met; what `homeassistant:` of the configuration says. */
export interface HomeAssistantConfig {
  readonly prefix: string;
  readonly statusTopic?: string | undefined;
  readonly discovery: boolean;
  readonly formerNames: readonly string[];
  readonly devicesMax: number;
  readonly forgetHours?: number | undefined;
  readonly stateIntervalMs: number;
  readonly diagnosticsSeconds: number;
  readonly area?: string | undefined;
}

/** What this integration is given of the node. */
export interface HomeAssistantParts {
  readonly bus: Bus;
  readonly node: string;
  /** `ledge/<node>`. */
  readonly base: string;
  readonly version: string;
  readonly clock: Clock;
  flows(): readonly FlowView[];
  figures(): NodeFigures;
  /** Of the hottest zone; undefined where the machine tells of none. */
  readCelsius(): Promise<number | undefined>;
  warn(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** Shows the node, its flows and their devices in Home Assistant, and keeps that true. */
export async function openHomeAssistant(
  config: HomeAssistantConfig,
  parts: HomeAssistantParts,
): Promise<AsyncDisposable> {
  const { bus, node, base, clock, warn } = parts;
  const { prefix, statusTopic = `${prefix}/status` } = config;
  const context: DiscoveryContext = {
    ...{ node, base, prefix, version: parts.version, area: config.area },
    thermometer: (await parts.readCelsius()) === undefined ? 'absent' : 'present',
  };
  const names = new Set([node, ...config.formerNames]);
  const known = createKnownDevices(config.devicesMax, clock.now);
  const retained = createRetainedTopics(bus, (topic, error) =>
    warn('Cannot publish for Home Assistant', { topic, error: String(error) }),
  );
  const states = createStates({
    ...{ clock, intervalMs: config.stateIntervalMs },
    publish: (topic, text) => settled() && retained.put(topic, text),
    onRefused: (topic, reason) => warnOnce(topic, 'Cannot show a result', { topic, reason }),
  });
  const watch = createResultWatch(bus, base, onResult);
  const warned = new Set<string>();
  let flows: readonly FlowView[] = [];
  let shown: ReadonlyMap<string, FlowShape> = new Map();
  let diagnostics: string | undefined;
  let swept = false;
  let closed = false;
  let subscriptions: Subscription[] = [];
  let cancelSweep: (() => void) | undefined;
  let cancelBirth: (() => void) | undefined;
  let last: Promise<void> = Promise.resolve();

  const settled = () => swept && !closed && bus.state === 'online';
  const stateTopic = (flow: string, device: string) => ownTopic(base, 'state', flow, device);

  /** Told once of each thing, however often it happens. */
  function warnOnce(key: string, message: string, fields: Readonly<Record<string, unknown>>): void {
    if (warned.size > config.devicesMax || warned.has(key)) return;
    warned.add(key);
    warn(message, fields);
  }

  function wanted(): Wanted {
    if (!config.discovery) return new Map();
    return wantedTopics(context, { flows, known, diagnostics, last: states.last });
  }

  function refresh(how: 'changes' | 'again' = 'changes'): void {
    if (settled()) retained.settle(wanted(), how);
  }

  async function onFlows(): Promise<void> {
    if (closed) return;
    flows = parts.flows();
    shown = new Map(
      flows.flatMap(({ name, shape }) =>
        shape !== undefined && entitiesOf(shape).length > 0 ? [[name, shape] as const] : [],
      ),
    );
    prune();
    for (const { name, devices } of flows) for (const device of devices) known.see(name, device);
    refresh();
    await watch.follow(config.discovery ? flows : []);
  }

  function prune(): void {
    const silentMsMax = (config.forgetHours ?? Infinity) * 3_600_000;
    for (const { flow, device } of known.prune(
      new Set(flows.map(({ name }) => name)),
      silentMsMax,
    )) {
      states.forget(stateTopic(flow, device));
    }
  }

  function onResult({ flow, device, payload }: SeenResult): void {
    const shape = shown.get(flow);
    if (shape === undefined || closed) return;
    const seen = known.see(flow, device);
    if (seen === 'refused') {
      const fields = { devicesMax: config.devicesMax, flow, device };
      return warnOnce('room', 'Home Assistant is shown no further device', fields);
    }
    if (seen === 'new') refresh();
    states.take(stateTopic(flow, device), payload, shape.encoding);
  }

  /** A discovery payload of anybody: ours, when the broker kept it, or cleared by a person. */
  function onConfig(topic: string, text: string, kept: boolean): void {
    if (text === '' && !kept) return onCleared(topic);
    const read = kept ? readConfig(text) : undefined;
    if (read === undefined || !names.has(read.identity.node)) return;
    retained.note(topic, text);
    const { flow, device } = read.identity;
    if (read.identity.node === node && flow !== undefined && device !== undefined) {
      if (flows.some(({ name }) => name === flow)) known.see(flow, device);
    }
    refresh();
  }

  function onCleared(topic: string): void {
    if (!retained.has(topic)) return;
    retained.gone(topic);
    for (const { flow, device } of known) {
      if (configTopicOf(context, { node, flow, device }) !== topic) continue;
      known.forget(flow, device);
      states.forget(stateTopic(flow, device));
    }
    refresh();
  }

  /** Asks the broker what it keeps, then puts that right. */
  async function sweep(): Promise<void> {
    swept = false;
    cancelSweep?.();
    retained.reset();
    await unsubscribe();
    if (closed) return;
    await listen(`${prefix}/device/+/config`, onConfig);
    for (const name of names) {
      await listen(ownTopic(`ledge/${name}`, '#'), (topic, text, kept) => {
        if (!kept || text === '') return;
        retained.note(topic, text);
        refresh();
      });
    }
    await listen(`${base}/bridge/flows`, () => void onFlows().catch(onFault));
    await listen(statusTopic, (_, text, kept) => {
      if (text !== 'online' || kept) return;
      cancelBirth?.();
      cancelBirth = clock.after(Math.random() * BIRTH_JITTER_MS, () => refresh('again'));
    });
    cancelSweep = clock.after(KEPT_MS, () => {
      swept = true;
      refresh();
    });
  }

  async function listen(
    filter: string,
    handle: (topic: string, text: string, kept: boolean) => void,
  ): Promise<void> {
    const subscription = await bus.subscribe(filter, { qos: 1 }, (delivery) => {
      delivery.accept();
      delivery.settle();
      if (closed) return;
      const { topic, payload, retain } = delivery.message;
      handle(topic, Buffer.from(payload).toString(), retain);
    });
    subscriptions.push(subscription);
  }

  async function unsubscribe(): Promise<void> {
    const old = subscriptions;
    subscriptions = [];
    for (const subscription of old) await subscription.close();
  }

  async function diagnose(): Promise<void> {
    const temperatureC = await parts.readCelsius();
    if (closed) return;
    diagnostics = JSON.stringify({ ...parts.figures(), temperatureC });
    prune();
    refresh();
  }

  function onFault(error: unknown): void {
    if (!closed) warn('Home Assistant is not told of everything', { error: String(error) });
  }

  function sweepSoon(): void {
    last = last.then(sweep).catch(onFault);
  }

  await onFlows();
  await diagnose();
  const stopState = bus.onState((state) => {
    if (state === 'online') sweepSoon();
    else swept = false;
  });
  const stopDiagnostics = clock.every(config.diagnosticsSeconds * 1e3, () => {
    diagnose().catch(onFault);
  });
  if (bus.state === 'online') sweepSoon();
  await last;

  async function close(): Promise<void> {
    if (closed) return;
    closed = true;
    stopState();
    stopDiagnostics();
    cancelSweep?.();
    cancelBirth?.();
    states.close();
    await last;
    await unsubscribe();
    await watch.close();
  }

  return { [Symbol.asyncDispose]: close };
}
