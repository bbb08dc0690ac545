import type { NodeConfig } from '../node/config.ts';
import { loadConfig } from '../node/config-load.ts';
import type { Arguments, Command } from './command.ts';

/** Options of every command that reads the node's configuration. */
export const NODE_OPTIONS = {
  config: { type: 'string' },
  node: { type: 'string' },
  data: { type: 'string' },
  flows: { type: 'string' },
  board: { type: 'string' },
  set: { type: 'string', multiple: true },
} as const satisfies Command['options'];

export const NODE_OPTION_HELP = {
  config: 'configuration file; default ./ledge.yaml where it is there',
  node: 'name of the node in topics',
  data: 'folder for what the node keeps',
  flows: 'folder of flows',
  board: 'a board of devices/boards, or a file; default: found out',
  set: 'one field of the configuration: --set broker.port=1884',
};

/** Which configuration field each option sets. */
const FIELDS: Readonly<Record<string, string>> = {
  node: 'node',
  data: 'data',
  flows: 'flows',
  board: 'board',
  host: 'broker.host',
  broker: 'broker.url',
};

/** Reads the configuration of a command line: file, environment, --set, then options. */
export function configOf({ values }: Arguments): Promise<NodeConfig> {
  const options: [string, unknown][] = [];
  for (const [name, field] of Object.entries(FIELDS)) {
    if (values[name] !== undefined) options.push([field, values[name]]);
  }
  if (values.port !== undefined) {
    options.push(['broker.port', numberOf(values.port)]);
    // A node on any free port, as tests run it, must not fight for the web port either.
    if (values.port === '0') options.push(['http.port', 0]);
  }
  if (values['http-port'] !== undefined) options.push(['http.port', numberOf(values['http-port'])]);
  const set = [values.set ?? []].flat().map(String);
  const file = values.config ?? process.env.LEDGE_CONFIG;
  return loadConfig({
    ...(typeof file === 'string' && { file }),
    environment: process.env,
    set,
    options,
  });
}

/** A number, or the words as they are: the schema tells what is wrong with them. */
function numberOf(given: unknown): unknown {
  return typeof given === 'string' && /^-?\d+$/.test(given) ? Number(given) : given;
}
