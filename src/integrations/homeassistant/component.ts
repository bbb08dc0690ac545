import { eventLabels } from './default-entities.ts';
import type { EntityCommand, EntityDeclaration } from './flow-view.ts';
import { slug } from './identity.ts';

/** One component of a discovery payload. */
export type Component = Readonly<Record<string, unknown>> & { readonly platform: string };

/** Where the entities of one device find what they show. */
export interface ComponentPlace {
  /** `ledge/<node>`. */
  readonly base: string;
  readonly node: string;
  readonly flow: string;
  readonly device: string;
  /** Begins its unique ids. */
  readonly objectId: string;
  /** The last result, retained. */
  readonly stateTopic: string;
  /** Every result, as it comes. */
  readonly resultTopic: string | undefined;
  /** Where its events come in; undefined for a pattern with wildcards. */
  readonly eventTopic: string | undefined;
  readonly labels: readonly string[] | undefined;
}

/** Puts declared entities into the words of discovery, by key; those that cannot work are left out. */
export function componentsOf(
  declared: readonly EntityDeclaration[],
  place: ComponentPlace,
): Readonly<Record<string, Component>> {
  const components: Record<string, Component> = {};
  for (const entity of declared) {
    let key = slug(entity.name);
    for (let count = 2; components[key] !== undefined; count += 1) {
      key = `${slug(entity.name)}_${count}`;
    }
    const own = fieldsOf(entity, place);
    if (own === undefined) continue;
    const id = [place.node, place.flow, place.device, key].map(slug).join('_');
    components[key] = stripped({
      platform: entity.platform,
      unique_id: `${place.objectId}_${key}`,
      default_entity_id: `${entity.platform}.${id}`,
      name: entity.name,
      icon: entity.icon,
      device_class: entity.deviceClass,
      entity_category: entity.category,
      enabled_by_default: entity.enabled ? undefined : false,
      ...own,
    });
  }
  return components;
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(entity: EntityDeclaration, place: ComponentPlace): Fields | undefined {
  const { stateTopic: state_topic, eventTopic } = place;
  const value_template = templateOf(entity);
  switch (entity.platform) {
    case 'sensor':
      return { state_topic, value_template, ...sensorFields(entity) };
    case 'binary_sensor':
      return { state_topic, value_template, expire_after: entity.expireAfterSeconds };
    case 'event':
      return eventFields(entity, place);
    case 'image': {
      const image_topic = entity.image === undefined ? eventTopic : filled(entity.image, place);
      return image_topic === undefined ? undefined : { image_topic };
    }
    case 'camera': {
      const topic = entity.image === undefined ? eventTopic : filled(entity.image, place);
      return topic === undefined ? undefined : { topic };
    }
    case 'update':
      return { state_topic, value_template, ...updateFields(entity, place) };
    default:
      return { ...commandFields(entity, place), ...shownState(entity, state_topic) };
  }
}

function sensorFields(entity: EntityDeclaration): Fields {
  const { options, unit, stateClass, precision, expireAfterSeconds } = entity;
  return {
    unit_of_measurement: unit,
    state_class: stateClass,
    suggested_display_precision: precision,
    expire_after: expireAfterSeconds,
    ...(options !== undefined && { device_class: 'enum', options }),
  };
}

function eventFields(entity: EntityDeclaration, place: ComponentPlace): Fields | undefined {
  const { value = 'label' } = entity;
  const event_types = entity.eventTypes ?? eventLabels(place.labels);
  if (event_types.length === 0 || place.resultTopic === undefined) return undefined;
  const found = `value_json.result.${value}`;
  const known = event_types.map(quoted).join(', ');
  const fired = `{"event_type": {{ ${found} | to_json }} }`;
  return {
    state_topic: place.resultTopic,
    event_types,
    // Other values render to nothing, which is no event.
    value_template: entity.valueTemplate ?? `{% if ${found} in [${known}] %}${fired}{% endif %}`,
  };
}

function updateFields(entity: EntityDeclaration, place: ComponentPlace): Fields {
  const { latest, command } = entity;
  return {
    ...(latest !== undefined && {
      latest_version_topic: place.stateTopic,
      latest_version_template: `{{ value_json.result.${latest} }}`,
    }),
    ...(command !== undefined && {
      command_topic: commandTopic(command, place),
      payload_install: filled(command.payload, place, 'json'),
    }),
  };
}

function commandFields(entity: EntityDeclaration, place: ComponentPlace): Fields {
  const { platform, command, options } = entity;
  if (command === undefined) return {};
  const command_topic = commandTopic(command, place);
  if (platform === 'button') {
    return { command_topic, payload_press: filled(command.payload, place, 'json') };
  }
  if (platform === 'select') return { command_topic, options, command_template: command.template };
  return {
    command_topic,
    payload_on: filled(command.on, place, 'json'),
    payload_off: filled(command.off, place, 'json'),
    state_on: 'ON',
    state_off: 'OFF',
  };
}

function shownState(entity: EntityDeclaration, state_topic: string): Fields {
  const value_template = templateOf(entity);
  return entity.platform === 'button' || value_template === undefined
    ? {}
    : { state_topic, value_template };
}

function templateOf({ platform, value, valueTemplate, on }: EntityDeclaration): string | undefined {
  if (valueTemplate !== undefined) return valueTemplate;
  if (value === undefined) return undefined;
  const found = `value_json.result.${value}`;
  if (platform === 'binary_sensor' || platform === 'switch') {
    const meant = on === undefined ? found : `${found} == ${literal(on)}`;
    return `{{ 'ON' if ${meant} else 'OFF' }}`;
  }
  // "None" is Home Assistant's word for a state that is not known.
  if (platform !== 'sensor') return `{{ ${found} }}`;
  const root = /^\w+/.exec(value)?.[0] ?? value;
  if (root === value) return `{{ ${found} | default('None') }}`;
  // A part of what is not there is an error, not undefined.
  const there = `value_json.result.${root} is defined`;
  return `{{ ${found} | default('None') if ${there} else 'None' }}`;
}

function commandTopic({ request, topic }: EntityCommand, place: ComponentPlace): string {
  if (request !== undefined) return `${place.base}/bridge/request/${request}`;
  return filled(topic ?? '', place);
}

/** Text with {node}, {flow} and {device} filled in; `json`: as parts of quoted strings. */
function filled(text: string, place: ComponentPlace, into: 'json' | 'topic' = 'topic'): string {
  return text.replace(/\{(node|flow|device)\}/g, (_, name: 'node' | 'flow' | 'device') => {
    const word = place[name];
    return into === 'json' ? JSON.stringify(word).slice(1, -1) : word;
  });
}

function literal(value: string | number | boolean): string {
  return typeof value === 'string' ? quoted(value) : String(value);
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}

function stripped(fields: Fields & { readonly platform: string }): Component {
  const known = Object.entries(fields).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(known), platform: fields.platform };
}
