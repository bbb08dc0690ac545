import { z } from '../std/schema.ts';
import { entityField } from './entity.ts';

/** A flow has at most this many steps: the longest real chain (a denoiser) has about twenty. */
export const STEPS_MAX = 64;

const limits = {
  keep: z
    .enum(['all', 'latest', 'drop-oldest'])
    .optional()
    .describe(
      'What happens when events come faster than results: hold the publisher back, keep only the latest of each device, or drop the oldest.',
    ),
  inFlightMax: z
    .int()
    .min(1)
    .max(1024)
    .optional()
    .describe('Events of this flow that are being worked on at the same time.'),
  queueEventsMax: z
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .describe('Events that may wait before the overload policy acts.'),
  queueBytesMax: z
    .int()
    .min(1024)
    .optional()
    .describe('Payload bytes that may wait before the overload policy acts.'),
  payloadBytesMax: z
    .int()
    .min(1)
    .optional()
    .describe('A larger payload goes to the dead-letter topic unread.'),
  deadlineMs: z
    .number()
    .positive()
    .optional()
    .describe('An event that has no result after this time is dropped and reported.'),
};

export type FlowDelivery = 'at-least-once' | 'at-most-once';

/** The part of a flow that says which events it takes, and what gives way when there are too many. */
export const sourceSchema = z.strictObject({
  device: z
    .string()
    .optional()
    .describe('A file of devices/sources, whose topic, decoding and limits are taken.'),
  topic: z
    .string()
    .optional()
    .describe('Topic pattern with one {device} segment: plant/{device}/vibration.'),
  qos: z
    .union([z.literal(0), z.literal(1), z.literal(2)])
    .optional()
    .describe('QoS of the subscription on an external broker.'),
  delivery: z
    .enum(['at-least-once', 'at-most-once'])
    .optional()
    .describe(
      'at-least-once: an event of QoS 1 or 2 is on disk before its publisher is acknowledged, and comes again after a crash.',
    ),
  ...limits,
});

/** Where and how the results go. */
export const sinkSchema = z.strictObject({
  topic: z
    .string()
    .optional()
    .describe('Result topic with {device}; default ledge/<node>/<flow>/{device}.'),
  encoding: z.enum(['json', 'msgpack']).default('json').describe('How results are written.'),
  qos: z
    .union([z.literal(0), z.literal(1), z.literal(2)])
    .optional()
    .describe('QoS of the results; default: that of the event, at most 1.'),
  retain: z.boolean().default(false).describe('Whether the last result of a device is retained.'),
});

const testSchema = z.strictObject({
  name: z.string().min(1).describe('What the case shows.'),
  event: z
    .union([z.string(), z.array(z.string()).min(1)])
    .describe(
      'Payload files beside flow.yaml, published in this order; a .jsonl is one event a line.',
    ),
  device: z.string().default('test').describe('The device that sends them.'),
  expect: z
    .array(z.record(z.string(), z.unknown()))
    .describe(
      'The results in order, each matched in the fields given; a number as [low, high] is a range.',
    ),
  last: z
    .boolean()
    .default(false)
    .describe('Match only the last results, as many as are expected.'),
});

/** A flow file as written; the steps' own configuration is parsed by their stages. */
export const flowSchema = z.strictObject({
  $schema: z.string().optional(),
  description: z.string().default('').describe('One sentence for lists and pages.'),
  enabled: z.boolean().default(true).describe('Whether the flow starts with the node.'),
  priority: z
    .enum(['high', 'normal', 'low'])
    .default('normal')
    .describe('Who gets the next free worker; waiting raises it.'),
  devicesMax: z
    .int()
    .min(1)
    .max(100_000)
    .default(10_000)
    .describe('Devices whose state is kept; the one idle longest gives way.'),
  source: sourceSchema.describe('Which events the flow takes.'),
  steps: z
    .array(z.record(z.string(), z.unknown()))
    .min(1)
    .max(STEPS_MAX)
    .describe('What is done with each event, in order.'),
  sink: sinkSchema.prefault({}).describe('Where the results go.'),
  entity: entityField,
  tests: z.array(testSchema).default([]).describe('Events and the results they must give.'),
});

export type FlowFile = z.infer<typeof flowSchema>;
export type FlowSource = z.infer<typeof sourceSchema>;
export type FlowSink = z.infer<typeof sinkSchema>;
export type FlowCase = z.infer<typeof testSchema>;
