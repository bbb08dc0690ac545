import { compileTopicPattern } from '../../bus/topics.ts';
import { type Component, componentsOf } from './component.ts';
import { entitiesOf } from './default-entities.ts';
import type { FlowShape, FlowView } from './flow-view.ts';
import { type Identity, identifierOf, ORIGIN, objectIdOf, slug } from './identity.ts';

/** What every payload of a node has in common. */
export interface DiscoveryContext {
  readonly node: string;
  /** `ledge/<node>`. */
  readonly base: string;
  readonly version: string;
  /** Discovery prefix. */
  readonly prefix: string;
  readonly area: string | undefined;
  /** Whether the machine tells its temperature. */
  readonly thermometer: 'present' | 'absent';
}

/** One retained topic. */
export interface Retained {
  readonly topic: string;
  readonly payload: string;
}

/** Where this integration keeps what Home Assistant shows. */
export function ownTopic(base: string, ...levels: readonly string[]): string {
  return [base, 'bridge', 'homeassistant', ...levels].join('/');
}

/** The topic of one device's discovery. */
export function configTopicOf({ prefix }: DiscoveryContext, identity: Identity): string {
  return `${prefix}/device/${objectIdOf(identity)}/config`;
}

/** The discovery of the node itself: its figures, a switch for each flow, a button to reload them. */
export function nodeDiscovery(context: DiscoveryContext, flows: readonly FlowView[]): Retained {
  const { node, base } = context;
  const objectId = objectIdOf({ node });
  const components: Record<string, Component> = {
    ...figures(context, objectId),
    reload_flows: {
      platform: 'button',
      ...idsOf(context, objectId, ['button', 'reload_flows']),
      name: 'Reload flows',
      entity_category: 'config',
      command_topic: `${base}/bridge/request/flow/reload`,
      payload_press: '{}',
    },
  };
  for (const { name } of flows.filter(({ kind }) => kind === 'flow')) {
    components[`flow_${name}`] = {
      platform: 'switch',
      ...idsOf(context, objectId, ['switch', `flow_${name}`]),
      name: `Flow ${name}`,
      entity_category: 'config',
      state_topic: ownTopic(base, 'availability', name),
      value_template: '{{ value_json.state }}',
      state_on: 'online',
      state_off: 'offline',
      command_topic: `${base}/bridge/request/flow/set`,
      payload_on: JSON.stringify({ name, enabled: true }),
      payload_off: JSON.stringify({ name, enabled: false }),
    };
  }
  return configOf(
    context,
    { node },
    {
      device: {
        identifiers: [identifierOf({ node })],
        name: `Ledge ${node}`,
        manufacturer: 'Ledge',
        model: 'Ledge node',
        sw_version: context.version,
      },
      availability: [availabilityOf(`${base}/bridge/state`)],
      components,
    },
  );
}

/** The discovery of one sender of a flow; undefined where the flow shows nothing. */
export function deviceDiscovery(
  context: DiscoveryContext,
  flow: { readonly name: string; readonly shape: FlowShape },
  device: string,
): Retained | undefined {
  const { node, base } = context;
  const { name, shape } = flow;
  const identity = { node, flow: name, device };
  const objectId = objectIdOf(identity);
  const components = componentsOf(entitiesOf(shape), {
    ...{ base, node, flow: name, device, objectId, labels: shape.labels },
    stateTopic: ownTopic(base, 'state', name, device),
    resultTopic: compileTopicPattern(shape.results).topicOf(device),
    eventTopic: compileTopicPattern(shape.events).topicOf(device),
  });
  if (Object.keys(components).length === 0) return undefined;
  return configOf(context, identity, {
    device: {
      identifiers: [identifierOf(identity)],
      name: `${device} ${name}`,
      manufacturer: 'Ledge',
      model: `Flow ${name}`,
      sw_version: context.version,
      via_device: identifierOf({ node }),
    },
    availability: [
      availabilityOf(`${base}/bridge/state`),
      availabilityOf(ownTopic(base, 'availability', name)),
    ],
    components,
  });
}

interface Parts {
  readonly device: Readonly<Record<string, unknown>>;
  readonly availability: readonly object[];
  readonly components: Readonly<Record<string, Component>>;
}

function configOf(context: DiscoveryContext, identity: Identity, parts: Parts): Retained {
  const { version, area } = context;
  const body = {
    device: { ...parts.device, ...(area !== undefined && { suggested_area: area }) },
    origin: { name: ORIGIN, sw_version: version },
    availability: parts.availability,
    availability_mode: 'all',
    qos: 1,
    components: parts.components,
  };
  return { topic: configTopicOf(context, identity), payload: JSON.stringify(body) };
}

/** A topic that says `{"state": "online"}`. */
function availabilityOf(topic: string): object {
  return { topic, value_template: '{{ value_json.state }}' };
}

type IdParts = readonly [platform: string, key: string];

function idsOf({ node }: DiscoveryContext, objectId: string, [platform, key]: IdParts) {
  const id = [node, key].map(slug).join('_');
  return { unique_id: `${objectId}_${key}`, default_entity_id: `${platform}.${id}` };
}

/** What tells how the node does: hidden until somebody asks for it. */
function figures(context: DiscoveryContext, objectId: string): Record<string, Component> {
  const shown = [
    { key: 'latency', field: 'latencyMs', name: 'Latency', unit: 'ms', device_class: 'duration' },
    { key: 'queue', field: 'queued', name: 'Queue', unit: 'events' },
    { key: 'dropped', field: 'dropped', name: 'Dropped', unit: 'events' },
    { key: 'stepped_down', field: 'steppedDown', name: 'Rungs stepped down', unit: 'rungs' },
    {
      key: 'temperature',
      field: 'temperatureC',
      name: 'Temperature',
      unit: '°C',
      device_class: 'temperature',
    },
  ].filter(({ key }) => key !== 'temperature' || context.thermometer === 'present');
  return Object.fromEntries(
    shown.map(({ key, field, name, unit, device_class }) => [
      key,
      {
        platform: 'sensor',
        ...idsOf(context, objectId, ['sensor', key]),
        name,
        ...(device_class !== undefined && { device_class }),
        unit_of_measurement: unit,
        state_class: key === 'dropped' ? 'total_increasing' : 'measurement',
        entity_category: 'diagnostic',
        enabled_by_default: false,
        state_topic: ownTopic(context.base, 'diagnostics'),
        value_template: `{{ value_json.${field} | default('None') }}`,
      },
    ]),
  );
}
