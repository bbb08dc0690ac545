import { z } from '../std/schema.ts';

/** Entities of one device: a screen of them; each is one more line in every list of the other side. */
const ENTITIES_MAX = 32;
/** Choices of one entity: what a person can still choose from. */
const CHOICES_MAX = 256;

const path = z
  .string()
  .regex(/^[A-Za-z_]\w*(\.[A-Za-z_]\w*|\[\d+\])*$/, 'a path such as label or top[0].field');

const topic = z.string().regex(/^[^+#]+$/, 'a topic without wildcards');

const commandSchema = z
  .strictObject({
    request: topic.optional().describe('One of the requests of this node, such as flow/relearn.'),
    topic: topic.optional().describe('Any other topic; {node}, {flow} and {device} are filled in.'),
    payload: z.string().default('{}').describe('What a press sends; the same names filled in.'),
    on: z.string().default('ON').describe('What a switch sends to switch on.'),
    off: z.string().default('OFF').describe('What a switch sends to switch off.'),
    template: z.string().optional().describe('Template of what a choice sends.'),
  })
  .refine(({ request, topic: other }) => (request === undefined) !== (other === undefined), {
    message: 'either a request or a topic',
  });

/** One entity that a home's hub shows of each device of the flow. */
const entitySchema = z
  .strictObject({
    platform: z
      .enum([
        ...(['sensor', 'binary_sensor', 'event', 'image', 'camera'] as const),
        ...(['update', 'button', 'switch', 'select'] as const),
      ])
      .describe('What kind of entity it is.'),
    name: z.string().min(1).max(64).describe('As people read it; its id is made of it.'),
    value: path.optional().describe('Path into the result: label, top[0].field.'),
    valueTemplate: z
      .string()
      .optional()
      .describe('Template in place of a path; value_json is the message with its result.'),
    on: z
      .union([z.string(), z.number(), z.boolean()])
      .optional()
      .describe('The value that means on; without it whatever is true, not 0 and not empty.'),
    deviceClass: z.string().optional().describe('Such as problem, sound, temperature.'),
    stateClass: z
      .enum(['measurement', 'total', 'total_increasing'])
      .optional()
      .describe('Whether statistics are kept of it.'),
    unit: z.string().optional().describe('Unit of measurement.'),
    precision: z.int().min(0).max(6).optional().describe('Digits shown after the point.'),
    icon: z
      .string()
      .regex(/^[a-z]+:[a-z0-9-]+$/, 'such as mdi:pump')
      .optional()
      .describe('Name of an icon: mdi:pump.'),
    category: z.enum(['diagnostic', 'config']).optional().describe('Where it is shown.'),
    enabled: z.boolean().default(true).describe('Whether it is shown before anyone asks for it.'),
    expireAfterSeconds: z
      .int()
      .min(1)
      .optional()
      .describe('Without a result for so long it is unavailable.'),
    eventTypes: z
      .array(z.string().min(1))
      .min(1)
      .max(CHOICES_MAX)
      .optional()
      .describe('Values that are events; default the labels, without those like _silence_.'),
    options: z
      .array(z.string().min(1))
      .min(1)
      .max(CHOICES_MAX)
      .optional()
      .describe('Values a choice has, or a sensor of a fixed set of words.'),
    latest: path.optional().describe('Path to the version an update would bring.'),
    image: topic.optional().describe('Topic of the picture; default the topic the event came on.'),
    command: commandSchema.optional().describe('What a button, a switch or a choice sends.'),
  })
  .superRefine((entity, context) => {
    const need = (field: string, message: string) =>
      context.addIssue({ code: 'custom', path: [field], message });
    const { platform, value, valueTemplate, command, category, options } = entity;
    const acts = platform === 'button' || platform === 'switch' || platform === 'select';
    const shows = !acts && platform !== 'image' && platform !== 'camera';
    if (shows && value === undefined && valueTemplate === undefined) {
      need('value', 'a path into the result, or a valueTemplate');
    }
    if (acts && command === undefined) need('command', 'what it sends');
    if (platform === 'select' && options === undefined) need('options', 'what can be chosen');
    if (category === 'config' && !acts && platform !== 'update') {
      need('category', 'diagnostic: only what a person sets is configuration');
    }
  });

/** The field `entity` of a flow file. */
export const entityField = z
  .union([entitySchema, z.array(entitySchema).max(ENTITIES_MAX)])
  .transform((declared) => (Array.isArray(declared) ? declared : [declared]))
  .optional()
  .describe(
    'What Home Assistant shows of each device, one entity or a list; default by the kind of result, [] for nothing.',
  );

export type FlowEntity = z.infer<typeof entitySchema>;
