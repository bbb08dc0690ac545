import { configSchema, type NodeConfig } from '../../node/config.ts';
import { boardOf } from '../../node/node.ts';
import { LedgeError } from '../../std/error.ts';
import type { Arguments, Command } from '../command.ts';
import { checkBroker } from '../doctor/check-broker.ts';
import {
  checkBoard,
  checkClock,
  checkNode,
  checkPrograms,
  checkProviders,
} from '../doctor/check-machine.ts';
import { checkStorage } from '../doctor/check-storage.ts';
import { type Finding, fail, ok } from '../doctor/finding.ts';
import { configOf, NODE_OPTION_HELP, NODE_OPTIONS } from '../node-options.ts';
import { formatTable } from '../table.ts';

/** `ledge doctor`: whether this machine can run a node, and what to do where it cannot. */
export const doctor: Command = {
  summary: 'Check this machine: board, memory, runtime, broker, disk, clock, programs',
  usage: 'doctor [--broker URL] [--port N] [--data DIR] [--board NAME] [--json]',
  options: {
    ...NODE_OPTIONS,
    broker: { type: 'string' },
    port: { type: 'string' },
    json: { type: 'boolean' },
  },
  optionHelp: {
    ...NODE_OPTION_HELP,
    broker: 'URL of an external broker: mqtt://host:1883',
    port: "port of the node's own broker",
    json: 'the findings as JSON',
  },
  examples: ['ledge doctor', 'ledge doctor --broker mqtt://192.168.1.5 --json'],
  async run(args, terminal) {
    const findings = await examine(args);
    if (args.values.json === true) {
      terminal.stdout.write(`${JSON.stringify({ findings })}\n`);
    } else {
      terminal.stdout.write(formatTable(findings.map((finding) => ({ ...finding }))));
    }
    return findings.some(({ status }) => status === 'fail') ? 1 : 0;
  },
};

async function examine(args: Arguments): Promise<Finding[]> {
  const { config, finding } = await readConfig(args);
  return [
    checkNode(process.versions.node),
    finding,
    ...(await examineBoard(config)),
    ...(await checkBroker(config.broker)),
    ...(await checkStorage(config.data)),
    await checkClock(new Date()),
    ...(await checkPrograms(process.env.PATH ?? '')),
  ];
}

/** With a configuration that cannot be read the rest is still worth a look, with its defaults. */
async function readConfig(args: Arguments): Promise<{ config: NodeConfig; finding: Finding }> {
  try {
    return { config: await configOf(args), finding: ok('configuration', 'can be read') };
  } catch (error) {
    const finding = fail('configuration', messageOf(error), 'mend the configuration');
    return { config: configSchema.parse({}), finding };
  }
}

async function examineBoard(config: NodeConfig): Promise<Finding[]> {
  try {
    const board = await boardOf(config);
    const findings = checkBoard(board, process.availableMemory());
    return [...findings, checkProviders(board, await providers())];
  } catch (error) {
    return [fail('board', messageOf(error), 'choose one with --board')];
  }
}

/** Loaded late: a runtime whose library cannot be loaded is a finding, not a crash. */
async function providers(): Promise<readonly string[]> {
  try {
    return (await import('../../infer/session.ts')).availableProviders();
  } catch {
    return [];
  }
}

function messageOf(error: unknown): string {
  if (error instanceof LedgeError) return error.message;
  throw error;
}
