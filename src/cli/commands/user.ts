import { hashPassword } from '../../bus/access/password.ts';
import {
  readUsersFile,
  type Users,
  userNameProblem,
  writeUsersFile,
} from '../../bus/access/users-file.ts';
import type { NodeConfig } from '../../node/config.ts';
import { usersFileOf } from '../../node/open-access.ts';
import { LedgeError } from '../../std/error.ts';
import type { Arguments, Command, Terminal } from '../command.ts';
import { configOf, NODE_OPTION_HELP, NODE_OPTIONS } from '../node-options.ts';
import { readNewPassword } from '../password.ts';

/** `ledge user`: who may connect to the node's own broker and read its pages. */
export const user: Command = {
  summary: 'Add, change, remove and list the users of the own broker',
  usage: 'user add|passwd|remove NAME [--password-file FILE] | user list [--json]',
  options: {
    'password-file': { type: 'string' },
    config: NODE_OPTIONS.config,
    data: NODE_OPTIONS.data,
    set: NODE_OPTIONS.set,
    json: { type: 'boolean' },
  },
  optionHelp: {
    'password-file': 'file with the password on its first line; default: asked for, or piped in',
    config: NODE_OPTION_HELP.config,
    data: NODE_OPTION_HELP.data,
    set: NODE_OPTION_HELP.set,
    json: 'list as one JSON line',
  },
  examples: [
    'ledge user add kitchen',
    'ledge user add bridge --password-file /run/secrets/bridge --data /var/lib/ledge',
    'ledge user list',
  ],
  run: runUser,
};

interface Edit {
  readonly name: string;
  readonly users: Users;
  readonly args: Arguments;
  readonly terminal: Terminal;
}

/** What each word does to the users; undefined where it only reads. */
const EDITS: Readonly<Record<string, (edit: Edit) => Promise<Users>>> = {
  add: async ({ name, users, args, terminal }) => {
    const problem = userNameProblem(name);
    if (problem !== undefined) {
      throw new LedgeError('value-invalid', `Cannot add user "${name}": ${problem}`);
    }
    if (users.has(name)) {
      const message = `There is a user "${name}"; to change it: ledge user passwd ${name}`;
      throw new LedgeError('value-invalid', message);
    }
    return withPassword(users, name, await passwordOf({ args, terminal }));
  },
  passwd: async ({ name, users, args, terminal }) => {
    checkKnown(users, name);
    return withPassword(users, name, await passwordOf({ args, terminal }));
  },
  remove: async ({ name, users }) => {
    checkKnown(users, name);
    return new Map([...users].filter(([one]) => one !== name));
  },
};

const DONE: Readonly<Record<string, string>> = {
  add: 'Added user',
  passwd: 'Changed the password of user',
  remove: 'Removed user',
};

async function runUser(args: Arguments, terminal: Terminal): Promise<number> {
  const [word = '', name, ...more] = args.positionals;
  const edit = Object.hasOwn(EDITS, word) ? EDITS[word] : undefined;
  const listing = word === 'list' && name === undefined;
  if ((!listing && (edit === undefined || name === undefined)) || more.length > 0) {
    terminal.stderr.write(`ledge: expected a word and a name\nUsage: ledge ${user.usage}\n`);
    return 2;
  }
  const config = await configOf(args);
  const file = usersFileOf(config);
  const users = (await readUsersFile(file)) ?? new Map();
  if (edit === undefined || name === undefined) {
    terminal.stdout.write(listOf([...users.keys()], args));
    return 0;
  }
  await writeUsersFile(file, await edit({ name, users, args, terminal }));
  terminal.stdout.write(`${DONE[word]} "${name}" in ${file}\n`);
  terminal.stderr.write(hintOf(config));
  return 0;
}

function passwordOf({ args, terminal }: Pick<Edit, 'args' | 'terminal'>): Promise<string> {
  return readNewPassword(args.values['password-file'], terminal);
}

async function withPassword(users: Users, name: string, password: string): Promise<Users> {
  return new Map([...users, [name, await hashPassword(password)]]);
}

function checkKnown(users: Users, name: string): void {
  if (users.has(name)) return;
  throw new LedgeError('not-found', `There is no user "${name}"; see: ledge user list`);
}

function listOf(names: readonly string[], { values }: Arguments): string {
  if (values.json === true) return `${JSON.stringify({ users: names })}\n`;
  if (names.length === 0) return 'There are no users: clients of this machine need no name\n';
  return names.map((name) => `${name}\n`).join('');
}

function hintOf({ broker }: NodeConfig): string {
  const rules =
    broker.aclFile === undefined
      ? 'Every user may read and write every topic (broker.aclFile)'
      : '';
  return `${['A node that runs takes this within seconds', rules].filter(Boolean).join('. ')}.\n`;
}
