import { filterProblem, topicProblem } from '../bus/topics.ts';
import { z } from '../std/schema.ts';
import {
  type ClassLimits,
  DEFAULT_LIMITS,
  OUTBOX_BYTES_MAX,
  OUTBOX_CLASSES,
  OVERFLOW_POLICIES,
} from '../store/outbox-class.ts';

/** Routes in one direction: each is a subscription, and is looked at for each message. */
const ROUTES_MAX = 256;

const prefix = z
  .strictObject({
    local: z.string().default('').describe('What local topics of this route begin with.'),
    remote: z.string().default('').describe('What stands there at the other broker.'),
  })
  .prefault({})
  .describe('How topics are renamed: one prefix for the other.');

const upSchema = z
  .strictObject({
    filter: z.string().describe('Local topics that go up.'),
    class: z
      .enum(OUTBOX_CLASSES)
      .default('telemetry')
      .describe('What they are worth while the uplink is away.'),
    qos: z
      .union([z.literal(0), z.literal(1)])
      .default(1)
      .describe('0: written once and forgotten. 1: kept until acknowledged; duplicates are rare.'),
    retain: z
      .boolean()
      .default(false)
      .describe('Retained up there, and published again to a broker that has forgotten the node.'),
    prefix,
  })
  .superRefine((route, context) => checkRoute(route, route.prefix.local, context));

const downSchema = z
  .strictObject({
    filter: z.string().describe('Topics at the other broker that come down.'),
    qos: z
      .union([z.literal(0), z.literal(1), z.literal(2)])
      .default(1)
      .describe('QoS of the subscription.'),
    retain: z.boolean().default(true).describe('Whether what is retained there is retained here.'),
    prefix,
  })
  .superRefine((route, context) => checkRoute(route, route.prefix.remote, context));

function checkRoute(
  { filter }: { readonly filter: string },
  before: string,
  context: z.RefinementCtx,
): void {
  const problem = filterProblem(filter);
  const message =
    problem === undefined
      ? filter.startsWith(before)
        ? undefined
        : `a filter that begins with the prefix "${before}"`
      : `a filter that can be subscribed to: ${problem}`;
  if (message !== undefined) context.addIssue({ code: 'custom', path: ['filter'], message });
}

function classSchema(defaults: ClassLimits) {
  return z
    .strictObject({
      bytesMax: z.int().min(1024).default(defaults.bytesMax).describe('Bytes on disk.'),
      messagesMax: z
        .int()
        .min(1)
        .max(10_000_000)
        .default(defaults.messagesMax)
        .describe('Messages; each takes some 500 bytes of memory.'),
      ageSecondsMax: z
        .number()
        .min(1)
        .default(defaults.ageSecondsMax)
        .describe('Older ones are dropped. Counted while the node runs, whatever its clock says.'),
      weight: z
        .number()
        .min(0.01)
        .max(10_000)
        .default(defaults.weight)
        .describe('Share of the link where several classes wait.'),
      overflow: z
        .enum(OVERFLOW_POLICIES)
        .default(defaults.overflow)
        .describe('What goes when the class is full; `compact-latest` keeps one of each topic.'),
    })
    .prefault({});
}

const classesSchema = z
  .strictObject({
    alarm: classSchema(DEFAULT_LIMITS.alarm).describe('Never dropped while another class can be.'),
    state: classSchema(DEFAULT_LIMITS.state).describe('The latest value of each topic.'),
    telemetry: classSchema(DEFAULT_LIMITS.telemetry).describe('Results and measurements.'),
    media: classSchema(DEFAULT_LIMITS.media).describe('Pictures and sound: the first to give way.'),
  })
  .prefault({})
  .describe('What is kept while the uplink is away.');

/** Another broker that gets what the node has, as soon as it can be reached. */
export const uplinkSchema = z.strictObject({
  url: z
    .string()
    .regex(/^(mqtts?|wss?):\/\//, 'a URL that begins with mqtt://, mqtts://, ws:// or wss://')
    .describe('The other broker.'),
  username: z.string().optional().describe('User name there.'),
  password: z
    .string()
    .optional()
    .describe('Only as variable LEDGE_UPLINK__PASSWORD: a file has passwordFile for it.'),
  passwordFile: z.string().optional().describe('File that holds the password, on one line.'),
  caFile: z.string().optional().describe('Authorities in PEM, for a broker with an own one.'),
  certFile: z.string().optional().describe('Client certificate in PEM.'),
  keyFile: z.string().optional().describe('Key of that certificate, in PEM.'),
  clientId: z
    .string()
    .min(1)
    .max(256)
    .optional()
    .describe('Default `ledge-<node>-uplink`; the broker keeps the session under it.'),
  protocol: z
    .enum(['auto', '5', '3.1.1'])
    .default('auto')
    .describe('`auto`: MQTT 5, and 3.1.1 where it is refused.'),
  sessionSeconds: z
    .int()
    .min(0)
    .max(4_294_967_295)
    .default(24 * 60 * 60)
    .describe('How long the broker keeps what comes down for a node that is away.'),
  keepaliveSeconds: z
    .int()
    .min(1)
    .max(65_535)
    .default(30)
    .describe('A dead connection is noticed within 1.5 times this.'),
  connectSeconds: z
    .number()
    .min(0.1)
    .max(600)
    .default(10)
    .describe('A broker that does not answer by then is tried again.'),
  ackSeconds: z
    .number()
    .min(0.1)
    .max(3600)
    .default(20)
    .describe('A broker that acknowledges nothing for so long is cut, and everything sent again.'),
  backoffSecondsMax: z
    .number()
    .min(0.1)
    .max(3600)
    .default(30)
    .describe('Longest wait between attempts to connect.'),
  statusTopic: z
    .string()
    .optional()
    .describe(
      'Topic at the other broker that says online or offline; default `ledge/<node>/bridge/uplink-state`.',
    ),
  up: z.array(upSchema).max(ROUTES_MAX).default([]).describe('What goes up; the first that fits.'),
  down: z
    .array(downSchema)
    .max(ROUTES_MAX)
    .default([])
    .describe('What comes down; the first that fits.'),
  bytesMax: z
    .int()
    .min(65_536)
    .default(OUTBOX_BYTES_MAX)
    .describe('Bytes on disk of all classes; over it the less urgent give way.'),
  replayPerSecond: z
    .number()
    .min(0.1)
    .max(1_000_000)
    .default(500)
    .describe('Messages of the backlog in a second, so that live ones stay live.'),
  classes: classesSchema,
});

/** The field `uplink` of the configuration. */
export const uplinkField = uplinkSchema
  .superRefine(({ statusTopic, up, down }, context) => {
    const problem = statusTopic === undefined ? undefined : topicProblem(statusTopic);
    if (problem !== undefined) {
      context.addIssue({ code: 'custom', path: ['statusTopic'], message: `a topic: ${problem}` });
    }
    for (const [field, routes] of Object.entries({ up, down })) {
      const seen = new Set<string>();
      for (const [at, { filter }] of routes.entries()) {
        const path = [field, at, 'filter'];
        if (seen.has(filter)) context.addIssue({ code: 'custom', path, message: 'a new filter' });
        seen.add(filter);
      }
    }
  })
  .optional()
  .describe('Another broker that gets what the node has, as soon as it can be reached.');

export type UplinkConfig = z.infer<typeof uplinkSchema>;
