import { parseArgs } from 'node:util';
import { LedgeError } from '../std/error.ts';
import { nearest } from '../std/nearest.ts';
import { packageVersion } from '../std/package.ts';
import type { Command, Terminal } from './command.ts';

/** Every command by name, loaded when it is called. */
export const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  run: async () => (await import('./commands/run.ts')).run,
  check: async () => (await import('./commands/check.ts')).check,
  flow: async () => (await import('./commands/flow.ts')).flow,
  model: async () => (await import('./commands/model.ts')).model,
  compress: async () => (await import('./commands/compress.ts')).compress,
  teach: async () => (await import('./commands/teach.ts')).teach,
  profile: async () => (await import('./commands/profile.ts')).profile,
  bundle: async () => (await import('./commands/bundle.ts')).bundle,
  replay: async () => (await import('./commands/replay.ts')).replay,
  user: async () => (await import('./commands/user.ts')).user,
  ledger: async () => (await import('./commands/ledger.ts')).ledger,
  mic: async () => (await import('./commands/mic.ts')).mic,
  doctor: async () => (await import('./commands/doctor.ts')).doctor,
  bench: async () => (await import('./commands/bench.ts')).bench,
};

/** Exit codes, as `ledge --help` tells them. */
const EXIT = { well: 0, problem: 1, usage: 2 } as const;

/** Runs one command line and gives the exit code. Never throws what a user could cause. */
export async function runCommandLine(
  words: readonly string[],
  terminal: Terminal,
): Promise<number> {
  const [name, ...rest] = words;
  if (name === '--version' || name === '-v') {
    terminal.stdout.write(`${packageVersion()}\n`);
    return EXIT.well;
  }
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    terminal.stdout.write(await overview());
    return name === undefined ? EXIT.usage : EXIT.well;
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined) {
    const near = nearest(name, Object.keys(COMMANDS));
    const hint = near === undefined ? '' : `; did you mean "${near}"?`;
    terminal.stderr.write(`ledge: there is no command "${name}"${hint} See ledge --help.\n`);
    return EXIT.usage;
  }
  return runCommand(await load(), rest, terminal);
}

async function runCommand(command: Command, words: string[], terminal: Terminal): Promise<number> {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(command, words);
  } catch (error) {
    terminal.stderr.write(`ledge: ${(error as Error).message}\nUsage: ledge ${command.usage}\n`);
    return EXIT.usage;
  }
  if (parsed.values.help === true) {
    terminal.stdout.write(helpOf(command));
    return EXIT.well;
  }
  try {
    return await command.run(parsed, terminal);
  } catch (error) {
    if (!(error instanceof LedgeError)) throw error;
    terminal.stderr.write(`ledge: ${error.message}\n`);
    return EXIT.problem;
  }
}

function parse(command: Command, words: string[]) {
  const options = { ...command.options, help: { type: 'boolean', short: 'h' } } as const;
  const { positionals, values } = parseArgs({ args: words, options, allowPositionals: true });
  return { positionals, values: values as Record<string, string | boolean | undefined> };
}

async function overview(): Promise<string> {
  const names = Object.keys(COMMANDS);
  const width = Math.max(...names.map((name) => name.length));
  const rows = await Promise.all(
    names.map(async (name) => `  ${name.padEnd(width)}  ${(await COMMANDS[name]?.())?.summary}`),
  );
  return [
    'ledge: an edge inference node',
    '',
    'Usage: ledge <command> [options]',
    '',
    ...rows,
    '',
    'ledge <command> --help tells more. Exit codes: 0 well, 1 a problem, 2 wrong usage.',
    '',
  ].join('\n');
}

/** The help page of one command, from its own fields. */
export function helpOf(command: Command): string {
  const rows = Object.entries(command.options).map(([name, { type, short }]) => {
    const value = type === 'string' ? ' VALUE' : '';
    const flag = `${short === undefined ? '' : `-${short}, `}--${name}${value}`;
    return `  ${flag.padEnd(24)}  ${command.optionHelp[name] ?? ''}`;
  });
  return [
    command.summary,
    '',
    `Usage: ledge ${command.usage}`,
    '',
    ...(rows.length > 0 ? ['Options:', ...rows, ''] : []),
    'Examples:',
    ...command.examples.map((example) => `  ${example}`),
    '',
  ].join('\n');
}
