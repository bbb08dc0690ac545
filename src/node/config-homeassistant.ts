import { z } from '../std/schema.ts';

const level = /^[^+#\0]{1,128}$/;

/** The field `homeassistant` of the configuration. */
export const homeAssistantField = z
  .strictObject({
    prefix: z
      .string()
      .regex(level, 'a topic without wildcards')
      .default('homeassistant')
      .describe('Discovery prefix, as set in Home Assistant.'),
    statusTopic: z
      .string()
      .regex(level, 'a topic without wildcards')
      .optional()
      .describe('Where Home Assistant says online; default `<prefix>/status`.'),
    discovery: z
      .boolean()
      .default(true)
      .describe('`false` removes everything of this node from Home Assistant.'),
    formerNames: z
      .array(z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}$/, 'a node name'))
      .max(16)
      .default([])
      .describe('Names this node had: what is still shown under them is removed.'),
    devicesMax: z
      .int()
      .min(0)
      .max(5000)
      .default(200)
      .describe('Devices shown, each flow and sender being one; further ones are told in the log.'),
    forgetHours: z
      .number()
      .min(0.001)
      .optional()
      .describe('A device without a result for so long is removed; default never.'),
    stateIntervalMs: z
      .int()
      .min(0)
      .max(3_600_000)
      .default(500)
      .describe('States of one device change at most this often; events are never held back.'),
    diagnosticsSeconds: z
      .number()
      .min(0.1)
      .max(3600)
      .default(30)
      .describe('Pace of latency, queue, dropped, rungs stepped down and temperature.'),
    area: z.string().min(1).max(128).optional().describe('Area suggested for the devices.'),
  })
  .optional()
  .describe('Shows the node and its flows in Home Assistant; absent: not at all.');
