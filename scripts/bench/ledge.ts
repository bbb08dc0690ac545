import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startProgram } from './program.ts';
import type { System } from './system.ts';

/** A running node: a system under test for each of its flows. */
export interface Ledge {
  readonly pid: number;
  readonly mqtt: string;
  readonly http: string;
  /** From spawn to the ready line, milliseconds. */
  readonly startMs: number;
  flow(name: string): System;
  /** GET /health: figures since it was asked last. */
  health(): Promise<Health>;
  stop(): Promise<void>;
}

/** What the benchmark reads of a node's health. */
export interface Health {
  readonly eventLoop: { readonly p99Ms: number; readonly maxMs: number };
  readonly inference: {
    readonly models: readonly {
      readonly model: { readonly name: string };
      readonly copies: number;
      readonly intraOpThreads: number;
      readonly batches: number;
      readonly requests: number;
    }[];
    readonly workers: readonly object[];
  };
}

export interface LedgeOptions {
  /** Where the node's data and log go. */
  readonly folder: string;
  readonly flows: string;
  readonly set?: readonly string[];
  /** Options of Node itself, for profiles. */
  readonly nodeArgs?: readonly string[];
  readonly log?: string;
}

interface ReadyLine {
  readonly ready: true;
  readonly mqtt: string;
  readonly http: string;
}

const NODE = 'bench';
const CLI = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** Starts the built node as its users do, and waits for its ready line. */
export async function startLedge(options: LedgeOptions): Promise<Ledge> {
  const { folder, flows, set = [], nodeArgs = [], log = 'ledge.log' } = options;
  const settings = set.flatMap((each) => ['--set', each]);
  const program = await startProgram({
    command: process.execPath,
    args: [
      ...nodeArgs,
      CLI,
      'run',
      ...['--node', NODE, '--data', join(folder, 'data'), '--flows', flows],
      ...['--port', '0', '--http-port', '0', '--json', ...settings],
    ],
    cwd: folder,
    log: join(folder, log),
    ready: readyLine,
  });
  const { mqtt, http } = program.told as ReadyLine;
  return {
    pid: program.pid,
    mqtt,
    http,
    startMs: program.startMs,
    flow: (name) => ({
      name: 'ledge',
      version: '',
      url: mqtt,
      pids: [program.pid],
      publish: `bench/${name}/{device}`,
      results: [`ledge/${NODE}/${name}/+`],
      stop: () => program.stop(),
    }),
    async health() {
      const answer = await fetch(`${http}/health`);
      return (await answer.json()) as Health;
    },
    stop: () => program.stop(),
  };
}

function readyLine(line: string): ReadyLine | undefined {
  if (!line.startsWith('{"ready":true') && !line.startsWith('{"ready": true')) return undefined;
  return JSON.parse(line) as ReadyLine;
}
