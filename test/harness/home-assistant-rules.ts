import { z } from '../../src/std/schema.ts';

/*
 * What Home Assistant accepts of a device discovery, as its documentation of the mqtt integration and
 * of each platform says. Stricter in one thing: fields it would drop in silence are refused.
 */

const topic = z.string().min(1).max(65_535);
const publishTopic = topic.regex(/^[^+#]+$/);
const template = z.string().regex(/\{\{.*\}\}/s);
const icon = z.string().regex(/^\w+:[\w-]+$/);

const common = {
  unique_id: z.string().min(1),
  default_entity_id: z
    .string()
    .regex(/^[a-z_]+\.[a-z0-9_]+$/)
    .optional(),
  name: z.string().min(1).nullable().optional(),
  icon: icon.optional(),
  enabled_by_default: z.boolean().optional(),
  expire_after: z.int().min(0).optional(),
};
const shown = { entity_category: z.literal('diagnostic').optional() };
const acting = { entity_category: z.enum(['diagnostic', 'config']).optional() };
const state = { state_topic: topic, value_template: template.optional() };

/** Units of a device class, where there are few; others are free. */
const UNITS: Readonly<Record<string, readonly string[]>> = {
  duration: ['d', 'h', 'min', 's', 'ms', 'µs'],
  temperature: ['°C', '°F', 'K'],
};

const sensor = z
  .strictObject({
    platform: z.literal('sensor'),
    ...common,
    ...shown,
    ...state,
    device_class: z.enum(['enum', 'duration', 'temperature', 'power', 'humidity']).optional(),
    state_class: z.enum(['measurement', 'total', 'total_increasing']).optional(),
    unit_of_measurement: z.string().optional(),
    suggested_display_precision: z.int().min(0).optional(),
    options: z.array(z.string()).min(1).optional(),
  })
  .refine(({ options, device_class, state_class, unit_of_measurement }) => {
    if (device_class !== 'enum') return options === undefined;
    return options !== undefined && state_class === undefined && unit_of_measurement === undefined;
  }, 'options and the class enum go together, and without unit and state class')
  .refine(({ device_class = '', unit_of_measurement = '' }) => {
    return UNITS[device_class]?.includes(unit_of_measurement) ?? true;
  }, 'a unit that belongs to the class');

const binarySensor = z.strictObject({
  platform: z.literal('binary_sensor'),
  ...common,
  ...shown,
  ...state,
  device_class: z
    .enum(['problem', 'sound', 'motion', 'occupancy', 'presence', 'running', 'safety'])
    .optional(),
});

const event = z.strictObject({
  platform: z.literal('event'),
  ...common,
  ...shown,
  ...state,
  event_types: z.array(z.string()).min(1),
  device_class: z.enum(['button', 'doorbell', 'motion']).optional(),
});

const image = z
  .strictObject({
    platform: z.literal('image'),
    ...common,
    ...shown,
    image_topic: topic.optional(),
    url_topic: topic.optional(),
    content_type: z.string().optional(),
    image_encoding: z.literal('b64').optional(),
  })
  .refine(
    ({ image_topic, url_topic }) => (image_topic === undefined) !== (url_topic === undefined),
    {
      message: 'exactly one of image_topic and url_topic',
    },
  );

const camera = z.strictObject({ platform: z.literal('camera'), ...common, ...shown, topic });

const update = z.strictObject({
  platform: z.literal('update'),
  ...common,
  ...acting,
  ...state,
  latest_version_topic: topic.optional(),
  latest_version_template: template.optional(),
  command_topic: publishTopic.optional(),
  payload_install: z.string().optional(),
});

const button = z.strictObject({
  platform: z.literal('button'),
  ...common,
  ...acting,
  command_topic: publishTopic,
  payload_press: z.string().optional(),
  device_class: z.enum(['identify', 'restart', 'update']).optional(),
});

const aSwitch = z.strictObject({
  platform: z.literal('switch'),
  ...common,
  ...acting,
  state_topic: topic.optional(),
  value_template: template.optional(),
  command_topic: publishTopic,
  payload_on: z.string().optional(),
  payload_off: z.string().optional(),
  state_on: z.string().optional(),
  state_off: z.string().optional(),
});

const select = z.strictObject({
  platform: z.literal('select'),
  ...common,
  ...acting,
  state_topic: topic.optional(),
  value_template: template.optional(),
  command_topic: publishTopic,
  command_template: template.optional(),
  options: z.array(z.string()).min(1),
});

/** A component that is to be removed: its platform alone. */
const removed = z.strictObject({ platform: z.string() });

/** One component as it stands in a discovery. */
export const componentRule = z.union([
  removed,
  z.discriminatedUnion('platform', [
    ...([sensor, binarySensor, event, image, camera] as const),
    ...([update, button, aSwitch, select] as const),
  ]),
]);

/** What `<prefix>/device/<id>/config` may hold. */
export const deviceRule = z.strictObject({
  device: z.strictObject({
    identifiers: z.array(z.string().min(1)).min(1),
    name: z.string().optional(),
    manufacturer: z.string().optional(),
    model: z.string().optional(),
    sw_version: z.string().optional(),
    via_device: z.string().optional(),
    suggested_area: z.string().optional(),
  }),
  origin: z.strictObject({
    name: z.string(),
    sw_version: z.string().optional(),
    support_url: z.url().optional(),
  }),
  availability: z
    .array(
      z.strictObject({
        topic,
        payload_available: z.string().optional(),
        payload_not_available: z.string().optional(),
        value_template: template.optional(),
      }),
    )
    .optional(),
  availability_mode: z.enum(['all', 'any', 'latest']).optional(),
  qos: z.union([z.literal(0), z.literal(1), z.literal(2)]).optional(),
  components: z.record(z.string(), componentRule),
});

/** `<prefix>/device/<object id>/config`. */
export const CONFIG_TOPIC = /^[^+#]+\/device\/[a-zA-Z0-9_-]+\/config$/;

export type DeviceConfig = z.infer<typeof deviceRule>;
export type ComponentConfig = z.infer<typeof componentRule>;
