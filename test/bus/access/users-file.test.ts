import { chmod, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readUsersFile, writeUsersFile } from '../../../src/bus/access/users-file.ts';
import { temporaryFolder } from '../../harness/node.ts';

const HASH = `$scrypt$ln=14,r=8,p=5$${'A'.repeat(22)}$${'B'.repeat(43)}`;

let folder: string;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => rm(folder, { recursive: true }));

test('a file that was written is read back, for its owner only, nothing left beside it', async () => {
  const path = join(folder, 'new', 'users.json');
  await writeUsersFile(path, new Map([['kitchen', HASH]]));
  expect(await readUsersFile(path)).toEqual(new Map([['kitchen', HASH]]));
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readdir(join(folder, 'new'))).toEqual(['users.json']);
});

test('a file that is written again keeps its mode, whatever it was', async () => {
  const path = join(folder, 'again.json');
  await writeFile(path, '{}', { mode: 0o644 });
  await writeUsersFile(path, new Map([['kitchen', HASH]]));
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test('what cannot be written says so and leaves what was', async () => {
  const path = join(folder, 'again.json', 'users.json');
  await expect(writeUsersFile(path, new Map())).rejects.toMatchObject({ code: 'data-unwritable' });
});

test('a file that is not there is no file', async () => {
  expect(await readUsersFile(join(folder, 'none.json'))).toBeUndefined();
});

describe.skipIf(process.platform === 'win32')('a file that others may use is refused', () => {
  test.each([0o644, 0o640, 0o604, 0o622, 0o601])('mode %i', async (mode) => {
    const path = join(folder, `mode-${mode}.json`);
    await writeUsersFile(path, new Map([['kitchen', HASH]]));
    await chmod(path, mode);
    await expect(readUsersFile(path)).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining(`chmod 600 ${path}`),
    });
  });

  test('through a link too', async () => {
    const path = join(folder, 'target.json');
    await writeFile(path, '{}', { mode: 0o644 });
    await symlink(path, join(folder, 'link.json'));
    await expect(readUsersFile(join(folder, 'link.json'))).rejects.toThrow(/chmod 600/);
  });
});

describe('a damaged file is refused, and nothing of it shows', () => {
  const secret = 'do-not-show';
  const file = (users: unknown) => JSON.stringify({ version: 1, users });
  test.each([
    ['no JSON', `{"version": 1, "users": "${secret}`],
    ['another version', JSON.stringify({ version: 2, users: [], note: secret })],
    ['a password in the clear', file([{ name: 'a', password: secret }])],
    ['a name with a wildcard', file([{ name: `${secret}/#`, password: HASH }])],
    ['a field too many', file([{ name: 'a', password: HASH, hint: secret }])],
    ['a name twice', file([secret, secret].map((name) => ({ name, password: HASH })))],
  ])('%s', async (_, text) => {
    const path = join(folder, 'damaged.json');
    await writeFile(path, text, { mode: 0o600 });
    const error = await readUsersFile(path).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'config-invalid' });
    expect(`${error} ${JSON.stringify(error)}`).not.toContain(secret);
    expect(await readFile(path, 'utf8')).toBe(text);
  });

  test('a file of 4 MiB and a byte', async () => {
    const path = join(folder, 'large.json');
    await writeFile(path, ' '.repeat(4 * 1024 * 1024 + 1), { mode: 0o600 });
    await expect(readUsersFile(path)).rejects.toThrow(/more than 4194304 bytes/);
  });
});
