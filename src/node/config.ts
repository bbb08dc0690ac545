import { hostname } from 'node:os';
import { z } from '../std/schema.ts';

/** A node, flow or board name: what fits one topic level and one folder name everywhere. */
export const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}$/;

const name = z.string().regex(NAME, 'letters, digits, - and _, at most 64');

const port = z.int().min(0).max(65_535);

const brokerSchema = z.strictObject({
  url: z
    .string()
    .regex(/^(mqtts?|wss?):\/\//, 'a URL that begins with mqtt://, mqtts://, ws:// or wss://')
    .optional()
    .describe('An external broker; without it the node carries its own.'),
  username: z.string().optional().describe('User name at the external broker.'),
  passwordFile: z.string().optional().describe('File that holds the password, on one line.'),
  host: z.string().default('127.0.0.1').describe('Address the own broker listens on.'),
  port: port.default(1883).describe('Port of the own broker; 0 takes a free one.'),
  connectionsMax: z
    .int()
    .min(1)
    .max(65_535)
    .default(1024)
    .describe('Connections of the own broker: a descriptor and some 50 kB each.'),
  payloadBytesMax: z
    .int()
    .min(1024)
    .max(268_435_455)
    .default(16 * 1024 * 1024)
    .describe('Largest packet taken: a 5-megapixel camera frame has 2 to 6 MiB as JPEG.'),
});

function schemaOf(schema: z.ZodType): Record<string, unknown> {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input' });
  return rest;
}

/** Everything a node can be told; every field has a default. */
export const configSchema = z.strictObject({
  $schema: z.string().optional(),
  node: name
    .default(() => defaultName())
    .describe('Name of this node in topics; default the host name.'),
  data: z.string().default('data').describe('Folder for what the node keeps.'),
  flows: z
    .string()
    .optional()
    .describe('Folder of flow folders; default ./flows, else the package.'),
  devices: z.string().optional().describe('Folder with own sources/ and boards/.'),
  board: z.string().optional().describe('Board name or file; default: found out at the start.'),
  broker: z
    .union([
      z
        .string()
        .regex(/^(mqtts?|wss?):\/\//, 'a broker URL, or an object')
        .transform((url) => ({ url })),
      // Checked by the pipe, for problems of one field each; described here for editors and pages.
      z.unknown().meta(schemaOf(brokerSchema)),
    ])
    .pipe(brokerSchema)
    .prefault({})
    .describe('The own broker, or the URL of an external one.'),
  http: z
    .strictObject({
      enabled: z
        .boolean()
        .default(true)
        .describe('Whether health and MQTT over WebSocket are served.'),
      host: z.string().default('127.0.0.1').describe('Address it listens on.'),
      port: port.default(9001).describe('Port; 0 takes a free one.'),
    })
    .prefault({})
    .describe('HTTP: health, flows, and MQTT over WebSocket on /mqtt.'),
  inference: z
    .strictObject({
      workers: z.int().min(1).max(64).optional().describe('Worker threads; default by board.'),
      intraOpThreads: z
        .int()
        .min(1)
        .max(64)
        .optional()
        .describe('Threads of one large model; default by board.'),
      timeoutMs: z
        .int()
        .min(10)
        .default(30_000)
        .describe('A run that takes longer loses its worker: no model for the edge needs 30 s.'),
      memoryBytesMax: z
        .int()
        .min(1_048_576)
        .optional()
        .describe('Memory budget of all flows; default by board.'),
    })
    .prefault({})
    .describe('Where and how models run.'),
  health: z
    .strictObject({
      intervalSeconds: z.number().min(0.1).max(3600).default(30).describe('Pace of bridge/health.'),
    })
    .prefault({}),
  log: z
    .strictObject({
      level: z
        .enum(['debug', 'info', 'warn', 'error'])
        .default('info')
        .describe('Least level told.'),
    })
    .prefault({}),
  drainSeconds: z
    .number()
    .min(0)
    .max(600)
    .default(10)
    .describe('How long a stop waits for events in flight.'),
});

export type NodeConfig = z.infer<typeof configSchema>;

/** The host name, made to fit a topic level. */
function defaultName(): string {
  const fitting = hostname()
    .split('.')[0]
    ?.replace(/[^a-zA-Z0-9_-]/g, '-')
    .replace(/^[-_]+/, '');
  return fitting === undefined || fitting === '' ? 'ledge' : fitting.slice(0, 64);
}
