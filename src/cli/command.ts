import type { ParseArgsConfig } from 'node:util';

/** Where a command reads and writes: the real terminal, or a test's. */
export interface Terminal {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown; readonly isTTY?: boolean };
  readonly signal: AbortSignal;
}

export interface Arguments {
  readonly positionals: readonly string[];
  readonly values: Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;
}

/** One subcommand: its help is printed from these fields, its options parsed by node:util. */
export interface Command {
  readonly summary: string;
  /** After `ledge `: `model inspect <file> [--json]`. */
  readonly usage: string;
  readonly options: NonNullable<ParseArgsConfig['options']>;
  /** One line of help for each option, by its name. */
  readonly optionHelp: Readonly<Record<string, string>>;
  readonly examples: readonly string[];
  /** Gives the exit code: 0 well, 1 a problem found or an operating error, 2 wrong usage. */
  run(args: Arguments, terminal: Terminal): Promise<number>;
}
