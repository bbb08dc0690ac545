import { openClient } from '../../bus/client.ts';
import { openExchange } from '../../devices/exchange.ts';
import { findFlow } from '../../devices/find-flow.ts';
import { loadRecording } from '../../devices/recording.ts';
import { type ReplayReply, type ReplaySummary, replayRecording } from '../../devices/replay.ts';
import { readBrokerProofs } from '../../node/external-broker.ts';
import { LedgeError } from '../../std/error.ts';
import type { Arguments, Command, Terminal } from '../command.ts';

const DEFAULT_BROKER = 'mqtt://127.0.0.1:1883';
/** Device of events that name none. */
const DEFAULT_DEVICE = 'replay';
/** Slow models on small boards take a second or two; after this silence nothing more comes. */
const QUIET_SECONDS = 5;
/** Widths of the columns before the result. */
const COLUMNS = { seconds: 8, device: 12, event: 28, milliseconds: 9 } as const;

/** `ledge replay`: publishes recorded events at their own pace and prints what comes back. */
export const replay: Command = {
  summary: 'Publish recorded events and print their results',
  usage: 'replay <folder|file> [--flow NAME] [--device ID] [--speed X] [--broker URL] [--json]',
  options: {
    flow: { type: 'string' },
    node: { type: 'string' },
    device: { type: 'string' },
    speed: { type: 'string' },
    broker: { type: 'string' },
    username: { type: 'string' },
    'password-file': { type: 'string' },
    'ca-file': { type: 'string' },
    wait: { type: 'string' },
    json: { type: 'boolean' },
  },
  optionHelp: {
    flow: 'the flow; default: the one whose samples these are',
    node: 'the node, where several on this broker have the flow',
    device: `device of all events; default: the recording's own, else ${DEFAULT_DEVICE}`,
    speed: "times faster than recorded; default: the recording's own, else 1",
    broker: `URL of the broker; default ${DEFAULT_BROKER}`,
    username: 'user name at the broker',
    'password-file': 'file with its password on the first line',
    'ca-file': 'authority of a broker with TLS, in PEM',
    wait: `seconds of silence after which the rest is given up; default ${QUIET_SECONDS}`,
    json: 'one JSON line for each result, and one for the summary',
  },
  examples: [
    'ledge replay flows/keyword-spotting/samples',
    'ledge replay flows/machine-anomaly/samples --speed 200 --device pump-2',
    'ledge replay kitchen.wav --flow keyword-spotting --broker mqtt://192.168.1.10 --json',
  ],
  run: runReplay,
};

async function runReplay(args: Arguments, terminal: Terminal): Promise<number> {
  const { values } = args;
  const [path, ...more] = args.positionals;
  const problem = path === undefined || more.length > 0 ? 'expected one folder or file' : undefined;
  const speed = numberOf(values.speed, 'speed');
  const wait = numberOf(values.wait, 'wait') ?? QUIET_SECONDS;
  if (path === undefined || problem !== undefined) {
    terminal.stderr.write(`ledge: ${problem}\nUsage: ledge ${replay.usage}\n`);
    return 2;
  }
  const recording = await loadRecording(path);
  const proofs = await readBrokerProofs({
    username: textOf(values.username),
    passwordFile: textOf(values['password-file']),
    caFile: textOf(values['ca-file']),
  });
  await using bus = await openClient({ url: textOf(values.broker) ?? DEFAULT_BROKER, ...proofs });
  if (bus.state === 'offline') {
    const message = `No broker answers on ${bus.address}; start a node with: ledge run`;
    throw new LedgeError('unavailable', message);
  }
  const flow = textOf(values.flow) ?? recording.flow;
  const topics = await findFlow(bus, { flow, node: textOf(values.node) });
  const print = values.json === true ? printJson(terminal) : printTable(terminal);
  const summary = await replayRecording(recording, {
    speed: speed ?? recording.speed,
    deviceOf: (event) => textOf(values.device) ?? event.device ?? DEFAULT_DEVICE,
    quietMsMax: wait * 1000,
    signal: terminal.signal,
    open: (listeners) => openExchange(bus, topics, listeners),
    onReply: print.reply,
  });
  print.summary(summary);
  return summary.failed > 0 || summary.answered === 0 ? 1 : 0;
}

function textOf(value: Arguments['values'][string]): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function numberOf(value: Arguments['values'][string], name: string): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (Number.isFinite(number) && number > 0) return number;
  const message = `Cannot replay: --${name} is "${value}", expected a number above 0`;
  throw new LedgeError('config-invalid', message);
}

interface Printer {
  reply(reply: ReplayReply): void;
  summary(summary: ReplaySummary): void;
}

function printJson({ stdout }: Terminal): Printer {
  const line = (body: object) => stdout.write(`${JSON.stringify(body)}\n`);
  return {
    reply: ({ recorded, kind, body, latencyMs }) =>
      line({ event: recorded.name, kind, latencyMs: rounded(latencyMs), ...body }),
    summary: (summary) => line({ summary }),
  };
}

function printTable({ stdout }: Terminal): Printer {
  const row = (cells: readonly string[]) => {
    const [seconds = '', device = '', event = '', milliseconds = '', result = ''] = cells;
    const columns = [
      seconds.padStart(COLUMNS.seconds),
      device.padEnd(COLUMNS.device),
      event.padEnd(COLUMNS.event),
      milliseconds.padStart(COLUMNS.milliseconds),
    ];
    stdout.write(`${columns.join('  ')}  ${result}\n`);
  };
  row(['s', 'device', 'event', 'ms', 'result']);
  return {
    reply({ recorded, device, kind, body, latencyMs }) {
      const told = kind === 'result' ? formatResult(body.result) : formatError(body.error);
      const at = (recorded.atMs / 1000).toFixed(1);
      row([at, device, recorded.name, latencyMs.toFixed(1), told]);
    },
    summary: (summary) => stdout.write(`${formatSummary(summary)}\n`),
  };
}

/** Characters of a result that no rule below shortens. */
const RESULT_CHARACTERS_MAX = 100;

/** One line for a result of any flow: what it says first, numbers after it. */
export function formatResult(result: unknown): string {
  if (typeof result !== 'object' || result === null) return JSON.stringify(result) ?? '';
  const { label, score, anomaly, threshold, top } = result as Record<string, unknown>;
  if (typeof anomaly === 'boolean' && typeof score === 'number') {
    const by = Array.isArray(top) && anomaly ? ` by ${(top[0] as { field?: unknown })?.field}` : '';
    const limit = typeof threshold === 'number' ? ` (above ${threshold.toFixed(2)} is one)` : '';
    return `${anomaly ? 'ANOMALY' : 'normal '}  ${score.toFixed(2)}${limit}${by}`;
  }
  if (typeof label === 'string') {
    return typeof score === 'number' ? `${label}  ${score.toFixed(3)}` : label;
  }
  const text = JSON.stringify(result);
  return text.length > RESULT_CHARACTERS_MAX ? `${text.slice(0, RESULT_CHARACTERS_MAX)}...` : text;
}

function formatError(error: unknown): string {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  return `FAILED  ${code}: ${message}`;
}

function formatSummary(summary: ReplaySummary): string {
  const { events, results, failed, unanswered, dropped } = summary;
  const reasons = Object.entries(dropped).map(([reason, count]) => `${count} ${reason}`);
  return [
    `${events} events, ${results} results`,
    ...(failed > 0 ? [`${failed} events failed (dead-letter topic)`] : []),
    ...(unanswered > 0
      ? [`${unanswered} events had no result (a flow may hold or drop them)`]
      : []),
    ...(reasons.length > 0 ? [`dropped: ${reasons.join(', ')}`] : []),
  ].join('; ');
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}
