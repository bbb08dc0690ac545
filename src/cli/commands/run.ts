import { join } from 'node:path';
import type { NodeConfig } from '../../node/config.ts';
import type { FlowStatus } from '../../node/flow-status.ts';
import type { LogLine } from '../../node/log.ts';
import { type LedgeNode, openNode } from '../../node/node.ts';
import { chooseAudioDriver } from '../audio-driver.ts';
import type { Command, Terminal } from '../command.ts';
import { configOf, NODE_OPTION_HELP, NODE_OPTIONS } from '../node-options.ts';

/** `ledge run`: starts the node and runs it until a signal comes. */
export const run: Command = {
  summary: 'Start the node',
  usage:
    'run [--config FILE] [--node NAME] [--port N] [--broker URL] [--set key=value]... [--json]',
  options: {
    ...NODE_OPTIONS,
    host: { type: 'string' },
    port: { type: 'string' },
    'http-port': { type: 'string' },
    broker: { type: 'string' },
    json: { type: 'boolean' },
  },
  optionHelp: {
    ...NODE_OPTION_HELP,
    host: 'address of the own broker; default 127.0.0.1',
    port: 'port of the own broker; default 1883, 0 takes free ports',
    'http-port': 'port for HTTP and MQTT over WebSocket; default 9001',
    broker: 'URL of an external broker, in place of the own',
    json: 'one JSON line when ready, log as JSON lines on stderr',
  },
  examples: [
    'ledge run',
    'ledge run --node kitchen --data /var/lib/ledge --broker mqtt://192.168.1.10',
    'ledge run --set inference.workers=2 --set log.level=debug',
  ],
  async run(args, terminal) {
    chooseAudioDriver();
    const config = await configOf(args);
    const json = args.values.json === true;
    await using node = await openNode(config, (line) =>
      terminal.stderr.write(json ? `${JSON.stringify(line)}\n` : formatLine(line)),
    );
    terminal.stdout.write(json ? readyLine(node) : readyPage(node, config));
    await aborted(terminal);
    if (!json) terminal.stderr.write('Stopping: what is in flight is worked off first\n');
    return 0;
  },
};

function aborted({ signal }: Terminal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  // A listener alone does not keep the process alive, the node's servers do; with an external broker
  // that is away, nothing else would.
  const alive = setInterval(() => undefined, 2 ** 30);
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => {
      clearInterval(alive);
      resolve();
    });
  });
}

function readyLine(node: LedgeNode): string {
  const flows = node
    .flows()
    .map(({ name, state, in: input, out }) => ({ name, state, in: input, out }));
  const { mqtt, mqtts, http } = node;
  return `${JSON.stringify({ ready: true, mqtt, mqtts, http, flows })}\n`;
}

/** What a person needs first: where it listens, each flow's topics, and a line that tries it. */
function readyPage(node: LedgeNode, config: NodeConfig): string {
  const lines = [
    `Ledge node "${node.name}" on ${node.board.title}`,
    `  MQTT  ${node.mqtt}`,
    ...(node.mqtts === undefined ? [] : [`  MQTT over TLS  ${node.mqtts}`]),
    ...(node.http === undefined
      ? []
      : [
          `  HTTP  ${node.http}/health`,
          `  MQTT over WebSocket  ${node.http.replace('http', 'ws')}/mqtt`,
        ]),
    '',
    ...node.flows().flatMap(flowLines),
  ];
  const first = node.flows().find(({ state }) => state === 'running');
  if (first !== undefined) {
    const port = config.broker.port === 1883 ? '' : ` --broker ${node.mqtt}`;
    const samples = join(config.flows ?? 'flows', first.name, 'samples');
    lines.push('Try it in a second terminal:', `  npx ledge replay ${samples}${port}`, '');
  }
  return lines.join('\n');
}

function flowLines(flow: FlowStatus): string[] {
  if (flow.state === 'failed')
    return [`${flow.name} (failed)`, ...flow.problems.map((problem) => `  ${problem}`), ''];
  const state = flow.state === 'running' ? '' : ` (${flow.state})`;
  return [
    `${flow.name}${state}: ${flow.description}`,
    `  publish on  ${flow.in?.replace('{device}', '<device>')}`,
    `  results on  ${flow.out?.replace('{device}', '<device>')}`,
    '',
  ];
}

function formatLine({ time, level, message, ...fields }: LogLine): string {
  const rest = Object.entries(fields).map(([key, value]) => ` ${key}=${JSON.stringify(value)}`);
  return `${time.slice(11, 19)} ${level.padEnd(5)} ${message}${rest.join('')}\n`;
}
