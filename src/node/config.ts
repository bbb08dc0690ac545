import { hostname } from 'node:os';
import { z } from '../std/schema.ts';
import { brokerField, httpField } from './config-broker.ts';
import { hermesField } from './config-hermes.ts';
import { homeAssistantField } from './config-homeassistant.ts';
import { journalField } from './config-journal.ts';
import { ladderField } from './config-ladder.ts';
import { microphonesField } from './config-microphones.ts';
import { uplinkField } from './config-uplink.ts';
import { voiceField } from './config-voice.ts';
import { wyomingField } from './config-wyoming.ts';

/** A node, flow or board name: what fits one topic level and one folder name everywhere. */
export const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}$/;

const name = z.string().regex(NAME, 'letters, digits, - and _, at most 64');

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
  trust: z
    .array(z.string().min(1))
    .max(64)
    .default([])
    .describe(
      'Public keys, each as text (ed25519:...) or as the name of its file. With any, bundles ' +
        'that none of them signed are refused, and flows that came from a bundle are verified ' +
        'at each load.',
    ),
  board: z.string().optional().describe('Board name or file; default: found out at the start.'),
  broker: brokerField,
  http: httpField,
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
  ladder: ladderField,
  journal: journalField,
  uplink: uplinkField,
  microphones: microphonesField,
  voice: voiceField,
  wyoming: wyomingField,
  hermes: hermesField,
  homeassistant: homeAssistantField,
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
