import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Access, type LoginAnswer, openAccess } from '../../../src/bus/access/access.ts';
import { hashPassword } from '../../../src/bus/access/password.ts';
import { writeUsersFile } from '../../../src/bus/access/users-file.ts';
import type { LedgeError } from '../../../src/std/error.ts';
import { createHandClock, type HandClock } from '../../harness/hand-clock.ts';
import { temporaryFolder } from '../../harness/node.ts';

const kitchen = await hashPassword('cake');
const AWAY = '192.0.2.1';

let folder: string;
let clock: HandClock;
let problems: LedgeError[];
let access: Access;
let changes: (() => void)[];

beforeEach(async () => {
  folder = await temporaryFolder();
  clock = createHandClock();
  problems = [];
  changes = [];
});
afterEach(async () => {
  access[Symbol.dispose]();
  await rm(folder, { recursive: true });
});

const usersFile = () => join(folder, 'users.json');
const aclFile = () => join(folder, 'acl');

async function open(how: { acl?: string; allowAnonymous?: boolean } = {}): Promise<Access> {
  if (how.acl !== undefined) await writeFile(aclFile(), how.acl);
  access = await openAccess({
    usersFile: usersFile(),
    aclFile: how.acl === undefined ? undefined : aclFile(),
    allowAnonymous: how.allowAnonymous,
    clock,
    tell: (problem) => {
      problems.push(problem);
      for (const change of changes.splice(0)) change();
    },
  });
  access.onChange(() => {
    for (const change of changes.splice(0)) change();
  });
  return access;
}

/** Lets the files be looked at, and waits for what comes of it. */
async function looked(): Promise<void> {
  const changed = new Promise<void>((resolve) => changes.push(resolve));
  clock.advance(2_000);
  await changed;
}

function logIn(username?: string, password?: string, address = AWAY): Promise<LoginAnswer> {
  return access.login({ address, username, password });
}

describe('without users', () => {
  test('everyone is let in, with a name or without, as nobody in particular', async () => {
    await open();
    expect(access.guarded).toBe(false);
    expect(await logIn()).toMatchObject({ kind: 'in', user: undefined });
    expect(await logIn('kitchen', 'x')).toMatchObject({ kind: 'in', user: undefined });
  });

  test('the first user closes the door while the node runs', async () => {
    await open();
    const before = await logIn();
    await writeUsersFile(usersFile(), new Map([['kitchen', kitchen]]));
    await looked();
    expect(access.guarded).toBe(true);
    expect(await logIn()).toMatchObject({ kind: 'out' });
    expect(before.kind === 'in' && access.stillIn(before.user, before.proof, AWAY)).toBe(false);
  });
});

describe('with users', () => {
  beforeEach(() => writeUsersFile(usersFile(), new Map([['kitchen', kitchen]])));

  test.each([
    ['kitchen', 'cake', 'in'],
    ['kitchen', 'bread', 'out'],
    ['kitchen', undefined, 'out'],
    ['cellar', 'cake', 'out'],
    ['__proto__', 'cake', 'out'],
    [undefined, undefined, 'out'],
  ])('%s with password %s is %s', async (name, password, kind) => {
    await open();
    expect(await logIn(name, password)).toMatchObject({ kind });
  });

  test('the last user that is removed opens no door', async () => {
    await open();
    await writeUsersFile(usersFile(), new Map());
    await looked();
    expect(access.guarded).toBe(true);
    expect(await logIn()).toMatchObject({ kind: 'out' });
    expect(await logIn('kitchen', 'cake')).toMatchObject({ kind: 'out' });
  });

  test('a changed password ends what the old one began', async () => {
    await open();
    const before = await logIn('kitchen', 'cake');
    await writeUsersFile(usersFile(), new Map([['kitchen', await hashPassword('pie')]]));
    await looked();
    expect(before.kind === 'in' && access.stillIn(before.user, before.proof, AWAY)).toBe(false);
    expect(await logIn('kitchen', 'cake')).toMatchObject({ kind: 'out' });
    expect(await logIn('kitchen', 'pie')).toMatchObject({ kind: 'in' });
  });

  test.each([
    ['damaged', () => writeFile(usersFile(), 'x')],
    ['gone', () => rm(usersFile())],
  ])('a file that is %s leaves the users that were, and is told', async (_, spoil) => {
    await open();
    await spoil();
    await looked();
    expect(problems.map(({ message }) => message)).toEqual([
      expect.stringContaining('what was read before stays in use'),
    ]);
    expect(await logIn('kitchen', 'cake')).toMatchObject({ kind: 'in' });
  });

  test('anonymous clients of this machine are let in if that is asked for, others never', async () => {
    await open({ allowAnonymous: true });
    expect(await logIn(undefined, undefined, '127.0.0.1')).toMatchObject({ kind: 'in' });
    expect(await logIn(undefined, undefined, '::1')).toMatchObject({ kind: 'in' });
    expect(await logIn(undefined, undefined, AWAY)).toMatchObject({ kind: 'out' });
    expect(
      await access.login({ address: undefined, username: undefined, password: undefined }),
    ).toMatchObject({ kind: 'out' });
  });

  test('after six wrong logins even the right one waits', async () => {
    await open();
    for (let at = 0; at < 6; at += 1) await logIn('kitchen', `guess ${at}`);
    expect(await logIn('kitchen', 'cake')).toEqual({
      kind: 'later',
      why: 'too many wrong logins; try again in 1 s',
    });
    clock.advance(1000);
    expect(await logIn('kitchen', 'cake')).toMatchObject({ kind: 'in' });
  });
});

describe('a certificate', () => {
  test.each([
    ['pump-1', 'in'],
    ['', 'out'],
    ['#', 'out'],
    ['a/b', 'out'],
  ])('of "%s" is %s', async (certificateName, kind) => {
    await writeUsersFile(usersFile(), new Map([['kitchen', kitchen]]));
    await open();
    const attempt = { address: AWAY, username: 'kitchen', password: 'bread', certificateName };
    expect(await access.login(attempt)).toMatchObject({ kind });
  });
});

describe('rules', () => {
  test('are none without a list', async () => {
    await open();
    expect(access.rulesOf('kitchen', 'c')).toBeUndefined();
  });

  test('change with their file; a wrong one is told and changes nothing', async () => {
    await open({ acl: 'user kitchen\ntopic read a' });
    await writeFile(aclFile(), 'user kitchen\ntopic read bb');
    await looked();
    expect(access.rulesOf('kitchen', 'c')?.mayRead('bb')).toBe(true);
    await writeFile(aclFile(), 'topic nonsense here');
    await looked();
    expect(problems.map(({ message }) => message)).toEqual([
      expect.stringMatching(/acl:1: .*nonsense[\s\S]*stays in use/),
    ]);
    expect(access.rulesOf('kitchen', 'c')?.mayRead('bb')).toBe(true);
  });

  test('that are not there end the start', async () => {
    await open();
    await expect(
      openAccess({ aclFile: join(folder, 'none'), clock, tell: () => {} }),
    ).rejects.toMatchObject({ code: 'config-invalid' });
  });
});
