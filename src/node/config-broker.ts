import { LIMIT_NOTES, type LimitNote } from '../bus/access/limits.ts';
import {
  EXPIRY_SECONDS_MOST,
  OVERFLOWS,
  QUEUE_MESSAGES_MOST,
  SESSION_LIMITS,
} from '../bus/persistence/session-limits.ts';
import { z } from '../std/schema.ts';

const port = z.int().min(0).max(65_535);

const URL_START = /^(mqtts?|wss?):\/\//;

function limit({ value, from, to, why }: LimitNote) {
  return z.int().min(from).max(to).default(value).describe(why);
}

const limitsSchema = z.strictObject({
  connectionsPerAddressMax: limit(LIMIT_NOTES.connectionsPerAddressMax),
  connectTimeoutMs: limit(LIMIT_NOTES.connectTimeoutMs),
  handshakeTimeoutMs: limit(LIMIT_NOTES.handshakeTimeoutMs),
  keepAliveSecondsMax: limit(LIMIT_NOTES.keepAliveSecondsMax),
  subscriptionsMax: limit(LIMIT_NOTES.subscriptionsMax),
  topicLevelsMax: limit(LIMIT_NOTES.topicLevelsMax),
  topicBytesMax: limit(LIMIT_NOTES.topicBytesMax),
  inflightMax: limit(LIMIT_NOTES.inflightMax),
  publishesPerSecondMax: limit(LIMIT_NOTES.publishesPerSecondMax),
});

const certFile = z.string().describe('Certificate in PEM, with those between it and the root.');
const keyFile = z.string().describe('Its key in PEM; readable by the node only.');

const tlsSchema = z.strictObject({
  host: z.string().optional().describe('Address of the TLS port; default broker.host.'),
  port: port.default(8883).describe('Port for MQTT over TLS; 0 takes a free one.'),
  certFile,
  keyFile,
  caFile: z
    .string()
    .optional()
    .describe('Authorities in PEM whose client certificates are taken; needed to ask for one.'),
  requireClientCertificate: z
    .boolean()
    .default(false)
    .describe('Refuse connections without a certificate of caFile.'),
  identity: z
    .enum(['none', 'common-name'])
    .default('none')
    .describe(
      "`common-name`: the certificate's CN is the user name, and no password is asked for.",
    ),
});

const MINUTE_SECONDS = 60;

const sessionSchema = z.strictObject({
  queueMessagesMax: z
    .int()
    .min(1)
    .max(QUEUE_MESSAGES_MOST)
    .default(SESSION_LIMITS.queueMessagesMax)
    .describe('Messages of QoS 1 and 2 that wait for one client, or for its acknowledgement.'),
  queueBytesMax: z
    .int()
    .min(1024)
    .default(SESSION_LIMITS.queueBytesMax)
    .describe('Their bytes; two of the largest messages should fit.'),
  overflow: z
    .enum(OVERFLOWS)
    .default(SESSION_LIMITS.overflow)
    .describe('What gives way in a full session; `disconnect-session` ends it with all it has.'),
  expirySecondsMax: z
    .int()
    .min(MINUTE_SECONDS)
    .max(EXPIRY_SECONDS_MOST)
    .default(SESSION_LIMITS.expirySecondsMax)
    .describe('How long a session waits for its client; MQTT 3.1.1 names no time of its own.'),
  sessionsMax: z
    .int()
    .min(1)
    .max(100_000)
    .default(SESSION_LIMITS.sessionsMax)
    .describe('Sessions of absent clients; one more ends with its connection.'),
  bytesMax: z
    .int()
    .min(1_048_576)
    .default(SESSION_LIMITS.bytesMax)
    .describe('What waits in all sessions together.'),
  retainedMessagesMax: z
    .int()
    .min(1)
    .default(SESSION_LIMITS.retainedMessagesMax)
    .describe('Topics with a retained message; those of more are not retained.'),
  retainedBytesMax: z
    .int()
    .min(1024)
    .default(SESSION_LIMITS.retainedBytesMax)
    .describe('Retained messages are all in memory.'),
});

/** The own broker, or the external one, and who may use it. */
export const brokerSchema = z.strictObject({
  url: z
    .string()
    .regex(URL_START, 'a URL that begins with mqtt://, mqtts://, ws:// or wss://')
    .optional()
    .describe('An external broker; without it the node carries its own.'),
  username: z.string().optional().describe('User name at the external broker.'),
  password: z
    .string()
    .optional()
    .describe('Only as variable LEDGE_BROKER__PASSWORD: a file has passwordFile for it.'),
  passwordFile: z.string().optional().describe('File that holds the password, on one line.'),
  caFile: z
    .string()
    .optional()
    .describe('Authorities in PEM for an external mqtts:// or wss:// broker with an own one.'),
  certFile: z.string().optional().describe('Client certificate in PEM for the external broker.'),
  keyFile: z.string().optional().describe('Key of that certificate, in PEM.'),
  host: z
    .string()
    .default('127.0.0.1')
    .describe('Address the own broker listens on; one that others reach needs users.'),
  port: port.default(1883).describe('Port of the own broker; 0 takes a free one.'),
  tls: tlsSchema.optional().describe('A second port of the own broker, with TLS.'),
  usersFile: z
    .string()
    .optional()
    .describe('File of `ledge user`; default users.json in the data folder.'),
  aclFile: z
    .string()
    .optional()
    .describe("Who may read and write which topics, in mosquitto's words; default: users may all."),
  allowAnonymous: z
    .boolean()
    .default(false)
    .describe('With users: clients on this machine need no name. Others always do.'),
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
  limits: limitsSchema.prefault({}).describe('What one client of the own broker may use up.'),
  session: sessionSchema.prefault({}).describe('What the own broker keeps for its clients.'),
});

function schemaOf(schema: z.ZodType): Record<string, unknown> {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input' });
  return rest;
}

/** The field `broker` of the configuration: an object, or the URL of an external one. */
export const brokerField = z
  .union([
    z
      .string()
      .regex(URL_START, 'a broker URL, or an object')
      .transform((url) => ({ url })),
    // Checked by the pipe, for problems of one field each; described here for editors and pages.
    z.unknown().meta(schemaOf(brokerSchema)),
  ])
  .pipe(brokerSchema)
  .prefault({})
  .describe('The own broker, or the URL of an external one.');

/** The field `http` of the configuration. */
export const httpField = z
  .strictObject({
    enabled: z
      .boolean()
      .default(true)
      .describe('Whether health and MQTT over WebSocket are served.'),
    host: z
      .string()
      .default('127.0.0.1')
      .describe('Address it listens on; one that others reach needs users.'),
    port: port.default(9001).describe('Port; 0 takes a free one.'),
    tls: z
      .strictObject({ certFile, keyFile })
      .optional()
      .describe('Serve HTTPS and wss:// in place of HTTP.'),
    healthOpen: z
      .boolean()
      .default(false)
      .describe('Beyond loopback: whether /health is served without a login.'),
    originsAllowed: z
      .array(z.string())
      .max(64)
      .default([])
      .describe('Other origins whose pages may use the WebSocket: https://panel.example.'),
  })
  .prefault({})
  .describe('HTTP: health, flows, and MQTT over WebSocket on /mqtt.');
