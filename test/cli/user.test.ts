import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { verifyPassword } from '../../src/bus/access/password.ts';
import { readUsersFile } from '../../src/bus/access/users-file.ts';
import { packagePath } from '../../src/std/package.ts';
import { temporaryFolder } from '../harness/node.ts';

let data: string;
beforeEach(async () => {
  data = await temporaryFolder();
});
afterEach(() => rm(data, { recursive: true }));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `ledge user` from the build, with this text piped in. */
async function user(words: readonly string[], input = ''): Promise<Ended> {
  const main = packagePath('dist/cli/main.js');
  const child = spawn(process.execPath, [main, 'user', ...words, '--data', data], {
    stdio: ['pipe', 'pipe', 'pipe'],
    cwd: data,
  });
  // A command that fails before it reads is no fault of the test.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const ended = once(child, 'exit');
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = await ended;
  return { code, stdout, stderr };
}

const file = () => join(data, 'users.json');

async function isPassword(name: string, password: string): Promise<boolean> {
  const users = await readUsersFile(file());
  return verifyPassword(password, users?.get(name) ?? '');
}

describe('ledge user', () => {
  test('add takes the password that is piped in, and shows it nowhere', async () => {
    const ended = await user(['add', 'kitchen'], 'correct horse\nmore\n');
    expect(ended).toMatchObject({ code: 0, stdout: `Added user "kitchen" in ${file()}\n` });
    expect(await isPassword('kitchen', 'correct horse')).toBe(true);
    expect((await stat(file())).mode & 0o777).toBe(0o600);
    expect(`${ended.stdout}${ended.stderr}${await readFile(file(), 'utf8')}`).not.toMatch(/horse/);
  });

  test('add takes it from the first line of a file', async () => {
    await writeFile(join(data, 'secret'), 'correct horse\r\nsecond line');
    await user(['add', 'kitchen', '--password-file', join(data, 'secret')]);
    expect(await isPassword('kitchen', 'correct horse')).toBe(true);
  });

  test('passwd, remove and list do what they say', async () => {
    expect(await user(['add', 'kitchen'], 'one')).toMatchObject({ code: 0 });
    expect(await user(['add', 'cellar'], 'two')).toMatchObject({ code: 0 });
    expect((await user(['list'])).stdout).toBe('kitchen\ncellar\n');
    expect((await user(['list', '--json'])).stdout).toBe('{"users":["kitchen","cellar"]}\n');
    expect(await user(['passwd', 'kitchen'], 'three')).toMatchObject({ code: 0 });
    expect(await isPassword('kitchen', 'one')).toBe(false);
    expect(await isPassword('kitchen', 'three')).toBe(true);
    expect(await user(['remove', 'kitchen'])).toMatchObject({ code: 0 });
    expect((await user(['list'])).stdout).toBe('cellar\n');
  });

  test('list says what no users mean', async () => {
    expect((await user(['list'])).stdout).toMatch(/^There are no users/);
  });
});

describe('ledge user refuses', () => {
  test.each<[string, string[], string, number, RegExp]>([
    ['no word', [], '', 2, /Usage: ledge user/],
    ['another word', ['ad', 'kitchen'], 'x', 2, /Usage: ledge user/],
    ['no name', ['add'], 'x', 2, /Usage: ledge user/],
    ['a password on the command line', ['add', 'kitchen', 'horse'], 'x', 2, /Usage: ledge user/],
    ['a name with a wildcard', ['add', 'a/#'], 'x', 1, /letters, digits/],
    ['an empty password', ['add', 'kitchen'], '\n', 1, /is empty; nothing was changed/],
    ['a password without end', ['add', 'kitchen'], 'x'.repeat(5000), 1, /at most 4096/],
    ['to remove nobody', ['remove', 'kitchen'], '', 1, /no user "kitchen"/],
    ['to change nobody', ['passwd', 'kitchen'], 'x', 1, /no user "kitchen"/],
  ])('%s', async (_, words, input, code, problem) => {
    const ended = await user(words, input);
    expect(ended).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(problem) });
    expect(await readUsersFile(file())).toBeUndefined();
  });

  test('to add who is there', async () => {
    await user(['add', 'kitchen'], 'one');
    expect(await user(['add', 'kitchen'], 'two')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('ledge user passwd kitchen'),
    });
    expect(await isPassword('kitchen', 'one')).toBe(true);
  });

  test('a file that others can read, and says how to mend it', async () => {
    await user(['add', 'kitchen'], 'one');
    await chmod(file(), 0o644);
    expect(await user(['list'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`chmod 600 ${file()}`),
    });
  });
});
