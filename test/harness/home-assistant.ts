import { connectAsync, type MqttClient } from 'mqtt';
import { CONFIG_TOPIC, type DeviceConfig, deviceRule } from './home-assistant-rules.ts';
import { renderTemplate } from './jinja.ts';

/** One entity as a person sees it. */
export interface Entity {
  readonly id: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly device: DeviceConfig['device'];
  /** `unavailable`, `unknown`, or what was rendered. */
  readonly state: string;
  /** Events that were fired, the last one last. */
  readonly events: readonly string[];
}

/** Home Assistant's behaviour towards a broker, without the rest of it. */
export interface HomeAssistant extends AsyncDisposable {
  readonly entities: readonly Entity[];
  /** What Home Assistant would write into its log as a warning or an error. */
  readonly problems: readonly string[];
  /** Discovery messages that changed something or not, by topic. */
  readonly discoveries: readonly string[];
  entity(id: string): Entity | undefined;
  /** Entities that no discovery speaks of any more. */
  readonly ghosts: readonly string[];
  /** Resolves as soon as it is so; looked at after each message. */
  until(what: string, fact: () => boolean): Promise<void>;
  /** A person presses a button or turns a switch. */
  act(id: string, action: 'press' | 'on' | 'off'): Promise<void>;
  /** A person asks for an entity that is disabled by default. */
  enable(id: string): Promise<void>;
  /** Ends, forgets every state, comes back and says so. */
  restart(): Promise<void>;
  readonly client: MqttClient;
}

type Fields = Readonly<Record<string, string | undefined>>;

interface Slot {
  readonly id: string;
  readonly key: string;
  readonly from: string;
  config: Readonly<Record<string, unknown>>;
  discovery: DeviceConfig;
  live: boolean;
  state: string;
  events: string[];
  available: Map<string, boolean>;
}

/** Starts it on a broker. */
export async function startHomeAssistant(
  url: string,
  prefix = 'homeassistant',
): Promise<HomeAssistant> {
  const slots = new Map<string, Slot>();
  const latest = new Map<string, DeviceConfig>();
  const enabled = new Set<string>();
  const problems: string[] = [];
  const discoveries: string[] = [];
  const waiting = new Set<() => void>();
  let client: MqttClient;
  await open();

  async function open(): Promise<void> {
    const opened = await connectAsync(url, { protocolVersion: 5, reconnectPeriod: 50 });
    client = opened;
    const tell = () => {
      for (const look of waiting) look();
    };
    opened.on('message', (topic, payload, { retain }) => {
      if (topic.startsWith(`${prefix}/device/`)) discover(topic, payload.toString());
      else hear(topic, payload, retain);
      tell();
    });
    opened.on('close', tell);
    opened.on('error', () => undefined);
    await opened.subscribeAsync(`${prefix}/device/+/config`, { qos: 1 });
  }

  function discover(topic: string, text: string): void {
    discoveries.push(topic);
    if (!CONFIG_TOPIC.test(topic)) return void problems.push(`not a discovery topic: ${topic}`);
    if (text === '') {
      latest.delete(topic);
      for (const [id, slot] of slots) if (slot.from === topic) slots.delete(id);
      return;
    }
    const parsed = deviceRule.safeParse(JSON.parse(text));
    if (!parsed.success) return void problems.push(`${topic}: ${parsed.error.message}`);
    latest.set(topic, parsed.data);
    for (const [key, config] of Object.entries(parsed.data.components)) {
      const found = [...slots.values()].find((slot) => slot.from === topic && slot.key === key);
      if (!('unique_id' in config)) {
        if (found !== undefined) slots.delete(found.id);
      } else if (found === undefined) add(topic, key, parsed.data);
      else {
        found.config = config;
        found.discovery = parsed.data;
        listen(found);
      }
    }
  }

  function add(topic: string, key: string, discovery: DeviceConfig): void {
    const config = discovery.components[key] as Record<string, unknown>;
    const twin = [...slots.values()].find((slot) => slot.config.unique_id === config.unique_id);
    if (twin !== undefined) return void problems.push(`${config.unique_id} is not unique`);
    let id = String(config.default_entity_id);
    for (let count = 2; slots.has(id); count += 1) id = `${config.default_entity_id}_${count}`;
    const live = config.enabled_by_default !== false || enabled.has(id);
    const slot: Slot = {
      ...{ id, key, from: topic, config, discovery, live },
      ...{ state: 'unknown', events: [], available: new Map() },
    };
    slots.set(id, slot);
    listen(slot);
  }

  function listen(slot: Slot): void {
    if (!slot.live) return;
    const { state_topic, image_topic, topic } = slot.config as Fields;
    const own = [state_topic, image_topic, topic].flatMap((name) => name ?? []);
    const availability = (slot.discovery.availability ?? []).map(({ topic: name }) => name);
    // As the real one does: asked for again, so that what is retained comes for the new entity.
    const topics = Object.fromEntries([...own, ...availability].map((name) => [name, { qos: 1 }]));
    client.subscribe(Object.assign(topics, { resubscribe: true }) as never, () => undefined);
  }

  function hear(topic: string, payload: Buffer, kept: boolean | undefined): void {
    for (const slot of slots.values()) {
      if (!slot.live) continue;
      for (const one of slot.discovery.availability ?? []) {
        if (one.topic !== topic) continue;
        const text = render(slot, one.value_template, payload);
        if (text === (one.payload_available ?? 'online')) slot.available.set(topic, true);
        if (text === (one.payload_not_available ?? 'offline')) slot.available.set(topic, false);
      }
      const { state_topic, image_topic, topic: camera, value_template } = slot.config as Fields;
      if (image_topic === topic || camera === topic) slot.state = `${payload.length} bytes`;
      if (state_topic !== topic || (slot.config.platform === 'event' && kept)) continue;
      const text = render(slot, value_template, payload);
      if (text !== undefined) change(slot, text);
    }
  }

  function render(slot: Slot, template: string | undefined, payload: Buffer): string | undefined {
    const value = payload.toString();
    if (template === undefined) return value;
    try {
      return renderTemplate(template, {
        value,
        value_json: value === '' ? undefined : JSON.parse(value),
      });
    } catch (error) {
      if (value !== '') problems.push(`${slot.id}: ${error}`);
      return undefined;
    }
  }

  function change(slot: Slot, text: string): void {
    const { platform, options, event_types, state_class, state_on, state_off } = slot.config;
    const wrong = () => void problems.push(`${slot.id}: state "${text}" is refused`);
    if (platform === 'event') {
      if (['', 'None', '{}'].includes(text)) return;
      const type = String(JSON.parse(text).event_type);
      if (!(event_types as string[]).includes(type)) return wrong();
      slot.events.push(type);
      slot.state = type;
      return;
    }
    // A template that renders to nothing leaves these as they are.
    if (platform === 'binary_sensor' && text === '') return;
    if (text === 'None') slot.state = 'unknown';
    else if (platform === 'binary_sensor' || platform === 'switch') {
      if (text === (state_on ?? 'ON')) slot.state = 'on';
      else if (text === (state_off ?? 'OFF')) slot.state = 'off';
      else wrong();
    } else if (Array.isArray(options) && !options.includes(text)) wrong();
    else if (state_class !== undefined && !Number.isFinite(Number(text || 'x'))) wrong();
    else slot.state = text;
  }

  function shown(slot: Slot): Entity {
    const topics = slot.discovery.availability ?? [];
    const there = topics.every(({ topic }) => slot.available.get(topic) === true);
    const state = client.connected && there ? slot.state : 'unavailable';
    const { id, config, discovery, events } = slot;
    return { id, config, device: discovery.device, state, events };
  }

  function slotOf(id: string): Slot {
    const slot = slots.get(id);
    if (slot === undefined) throw new Error(`no entity ${id}; there are ${[...slots.keys()]}`);
    return slot;
  }

  return {
    get client() {
      return client;
    },
    get entities() {
      return [...slots.values()].filter(({ live }) => live).map(shown);
    },
    problems,
    discoveries,
    entity: (id) => {
      const slot = slots.get(id);
      return slot === undefined ? undefined : shown(slot);
    },
    get ghosts() {
      return [...slots.values()].flatMap(({ id, key, from }) =>
        latest.get(from)?.components[key] === undefined ? id : [],
      );
    },
    until: (what, fact) =>
      new Promise((resolve, reject) => {
        const late = setTimeout(() => {
          waiting.delete(look);
          const now = [...slots.values()].map((slot) => `${slot.id}=${shown(slot).state}`);
          reject(new Error(`Never: ${what}\n${now.join('\n')}\n${problems.join('\n')}`));
        }, 10_000);
        function look(): void {
          if (!fact()) return;
          clearTimeout(late);
          waiting.delete(look);
          resolve();
        }
        waiting.add(look);
        look();
      }),
    async act(id, action) {
      const { command_topic, payload_press, payload_on, payload_off } = slotOf(id).config as Fields;
      const payload = { press: payload_press ?? 'PRESS', on: payload_on, off: payload_off }[action];
      await client.publishAsync(command_topic ?? '', payload ?? '', { qos: 1 });
    },
    async enable(id) {
      const slot = slotOf(id);
      enabled.add(id);
      slot.live = true;
      listen(slot);
    },
    async restart() {
      await client.endAsync();
      slots.clear();
      latest.clear();
      await open();
      await client.publishAsync(`${prefix}/status`, 'online', { qos: 1 });
    },
    async [Symbol.asyncDispose]() {
      await client.endAsync(true);
    },
  };
}
