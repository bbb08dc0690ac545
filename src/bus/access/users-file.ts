import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';
import { makeFolder } from '../../store/make-folder.ts';
import { isStoredPassword } from './password.ts';

/** Users of one site; each is a line of some 150 bytes. */
const USERS_MAX = 10_000;
const FILE_BYTES_MAX = 4 * 1024 * 1024;
/** Only the owner reads and writes: a hash is what a guess is tried on. */
const FILE_MODE = 0o600;
const OTHERS_MASK = 0o077;

/** A user's name: what fits one topic level, one line of an ACL and HTTP's `user:password`. */
export const USER_NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/;

const fileSchema = z.strictObject({
  version: z.literal(1),
  users: z
    .array(
      z.strictObject({
        name: z.string().regex(USER_NAME),
        password: z.string().refine(isStoredPassword, 'a scrypt hash'),
      }),
    )
    .max(USERS_MAX),
});

/** Every user's stored password by name, in the order of the file. */
export type Users = ReadonlyMap<string, string>;

/** What is wrong with a user name, in words that follow it; undefined: nothing. */
export function userNameProblem(name: string): string | undefined {
  if (USER_NAME.test(name)) return undefined;
  return 'it has 1 to 64 letters, digits and . _ @ -, the first a letter or digit';
}

/**
 * Reads the users file; undefined where there is none. Fails with `config-invalid` for a file that
 * others may read or that does not parse; no line of the file shows in the error.
 */
export async function readUsersFile(path: string): Promise<Users | undefined> {
  const text = await readPrivate(path);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid(path, 'it is no JSON');
  }
  const parsed = fileSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw invalid(path, `"${issue?.path.join('.') ?? ''}" is not what "ledge user" writes`);
  }
  const users = new Map(parsed.data.users.map(({ name, password }) => [name, password]));
  if (users.size < parsed.data.users.length) throw invalid(path, 'a name is in it twice');
  return users;
}

/** Writes the users file, whole or not at all, for its owner only. Fails with `data-unwritable`. */
export async function writeUsersFile(path: string, users: Users): Promise<void> {
  const entries = [...users].map(([name, password]) => ({ name, password }));
  const text = `${JSON.stringify({ version: 1, users: entries }, null, 2)}\n`;
  const beside = `${path}.${randomBytes(6).toString('hex')}.new`;
  try {
    await makeFolder(dirname(resolve(path)));
    const file = await open(beside, 'wx', FILE_MODE);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true }).catch(() => undefined);
    throw new LedgeError(
      'data-unwritable',
      `Cannot write the users file ${path}: ${(error as Error).message}`,
    );
  }
}

/** The text of a file that nobody but its owner may read; undefined where there is none. */
async function readPrivate(path: string): Promise<string | undefined> {
  try {
    const file = await open(path, 'r');
    try {
      const { mode, size } = await file.stat();
      if (process.platform !== 'win32' && (mode & OTHERS_MASK) !== 0) {
        const bits = (mode & 0o777).toString(8).padStart(4, '0');
        throw invalid(path, `others may read or write it (mode ${bits}); run: chmod 600 ${path}`);
      }
      if (size > FILE_BYTES_MAX) throw invalid(path, `it has more than ${FILE_BYTES_MAX} bytes`);
      return await file.readFile('utf8');
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof LedgeError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw invalid(path, message);
  }
}

function invalid(path: string, problem: string): LedgeError {
  const message = `Cannot use the users file ${path}: ${problem}`;
  return new LedgeError('config-invalid', message, { context: { file: path } });
}
