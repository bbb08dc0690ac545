import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openClient } from '../../bus/client.ts';
import type { NodeConfig } from '../../node/config.ts';
import { readSecret } from '../../node/secret.ts';
import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';
import { openStore } from '../../store/database.ts';
import { openJournal } from '../../store/journal.ts';
import { type FlowLedger, type Ledger, verifyLedger } from '../../store/ledger.ts';
import { readLedger } from '../../store/ledger-read.ts';
import type { Command } from '../command.ts';
import { configOf, NODE_OPTION_HELP, NODE_OPTIONS } from '../node-options.ts';
import { formatTable } from '../table.ts';

/** A node that is up answers in milliseconds. */
const ANSWER_MS_MAX = 5_000;

/** `ledge ledger`: what became of every event and message, and whether it adds up. */
export const ledger: Command = {
  summary: 'Say what became of every event and message, and whether it adds up',
  usage: 'ledger [--verify] [--data DIR] [--node NAME] [--broker URL] [--json]',
  options: {
    ...NODE_OPTIONS,
    verify: { type: 'boolean' },
    broker: { type: 'string' },
    port: { type: 'string' },
    json: { type: 'boolean' },
  },
  optionHelp: {
    ...NODE_OPTION_HELP,
    verify: 'exit with 1 where a sum is off, and name it',
    broker: 'where the running node is asked, with a user in it: mqtt://me:word@host',
    port: "port of the node's own broker",
    json: 'the counters as JSON',
  },
  examples: [
    'ledge ledger --data /var/lib/ledge',
    'ledge ledger --verify',
    'ledge ledger --broker mqtt://edge-7.local --node edge-7 --json',
  ],
  async run(args, terminal) {
    const config = await configOf(args);
    const found = args.values.broker === undefined ? await readStopped(config) : undefined;
    const counters = found ?? (await askRunning(config));
    const problems = verifyLedger(counters);
    if (args.values.json === true) {
      terminal.stdout.write(`${JSON.stringify({ ...counters, problems })}\n`);
    } else {
      terminal.stdout.write(pageOf(counters));
    }
    for (const { sum, text } of problems) terminal.stderr.write(`ledge: ${sum}: ${text}\n`);
    if (args.values.verify !== true) return 0;
    if (problems.length === 0 && args.values.json !== true) {
      terminal.stdout.write('Every sum adds up.\n');
    }
    return problems.length === 0 ? 0 : 1;
  },
};

/** The store of a node that does not run; undefined: it runs. */
async function readStopped({ data, journal }: NodeConfig): Promise<Ledger | undefined> {
  const folder = join(data, 'store');
  const there = await stat(folder).catch(() => undefined);
  if (there === undefined) {
    const message = `Cannot read the ledger: there is no store in ${data}; name it with --data`;
    throw new LedgeError('not-found', message, { context: { folder } });
  }
  try {
    await using store = await openStore({ folder });
    const { eventsMax, bytesMax } = journal;
    return await readLedger(store, await openJournal(store, { eventsMax, bytesMax, gatherMs: 0 }));
  } catch (error) {
    if (error instanceof LedgeError && error.code === 'unavailable') return undefined;
    throw error;
  }
}

const counts = z.record(z.string(), z.number());
const flow = z.looseObject({ source: z.string(), dropped: counts });
const uplinkClass = z.object({
  emitted: z.number(),
  acked: z.number(),
  queued: z.number(),
  dropped: counts,
});

const reply = z.object({
  status: z.literal('ok'),
  data: z.object({
    flows: z.record(z.string(), flow),
    sources: z.record(z.string(), flow),
    uplink: z
      .object({
        alarm: uplinkClass,
        state: uplinkClass,
        telemetry: uplinkClass,
        media: uplinkClass,
      })
      .optional(),
  }),
});

async function askRunning({ node, broker }: NodeConfig): Promise<Ledger> {
  const { username, passwordFile } = broker;
  const password = passwordFile === undefined ? broker.password : await readSecret(passwordFile);
  const url = broker.url ?? `mqtt://${broker.host}:${broker.port}`;
  const login = broker.url === undefined ? {} : { username, password };
  const given = Object.entries(login).filter(([, value]) => value !== undefined);
  await using bus = await openClient({ url, ...Object.fromEntries(given) });
  if (bus.state === 'offline') {
    throw new LedgeError('unavailable', `Cannot ask the node: no broker answers on ${bus.address}`);
  }
  const base = `ledge/${node}/bridge`;
  const answered = new Promise<Uint8Array>((resolve, reject) => {
    const timer = setTimeout(() => {
      const text = `Cannot ask the node: "${node}" does not answer on ${bus.address}`;
      reject(new LedgeError('timeout', `${text}; name it with --node`));
    }, ANSWER_MS_MAX);
    bus
      .subscribe(`${base}/response/ledger`, { qos: 1 }, (delivery) => {
        delivery.accept();
        delivery.settle();
        clearTimeout(timer);
        resolve(delivery.message.payload);
      })
      .then(() => bus.publish(request(`${base}/request/ledger`)))
      .catch(reject);
  });
  return parseReply(await answered);
}

function request(topic: string) {
  return { topic, payload: Buffer.from('{}'), qos: 1, retain: false } as const;
}

function parseReply(payload: Uint8Array): Ledger {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(payload).toString());
  } catch (cause) {
    throw new LedgeError('payload-invalid', "Cannot read the node's answer: no JSON", { cause });
  }
  const parsed = reply.safeParse(value);
  if (parsed.success) return parsed.data.data as unknown as Ledger;
  throw new LedgeError('payload-invalid', "Cannot read the node's answer: an older node?");
}

function pageOf({ flows, uplink }: Ledger): string {
  const rows = Object.entries(flows).map(([name, flow]) => ({ flow: name, ...cellsOf(flow) }));
  const classes = Object.entries(uplink ?? {}).map(([name, one]) => {
    const { emitted, acked, queued, dropped } = one;
    return { uplink: name, ...textsOf({ emitted, acked, queued }), dropped: reasons(dropped) };
  });
  const none = 'No flow has seen an event.\n';
  return [rows.length === 0 ? none : formatTable(rows), ...(classes.length === 0 ? [] : [classes])]
    .map((part) => (typeof part === 'string' ? part : formatTable(part)))
    .join('\n');
}

function cellsOf({ dropped, ...rest }: FlowLedger): Record<string, string> {
  return { ...textsOf(rest), dropped: reasons(dropped) };
}

function textsOf(fields: Readonly<Record<string, string | number>>): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, String(value)]));
}

function reasons(dropped: Readonly<Partial<Record<string, number>>>): string {
  const parts = Object.entries(dropped).map(([reason, count]) => `${reason} ${count}`);
  return parts.length === 0 ? '0' : parts.join(', ');
}
