import { describe, expect, test } from 'vitest';
import {
  hashPassword,
  isStoredPassword,
  verifyPassword,
} from '../../../src/bus/access/password.ts';

const stored = await hashPassword('correct horse');
const salt = 'A'.repeat(22);
const hash = 'A'.repeat(43);

test('a hash names its cost and holds no password', () => {
  expect(stored).toMatch(/^\$scrypt\$ln=14,r=8,p=5\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  expect(stored).not.toContain('correct');
});

test('two hashes of one password differ by their salt', async () => {
  expect(await hashPassword('correct horse')).not.toBe(stored);
});

test.each([
  ['the same password', 'correct horse', true],
  ['another password', 'correct horsf', false],
  ['an empty password', '', false],
  ['a password longer than any', 'x'.repeat(1025), false],
])('%s', async (_, password, right) => {
  expect(await verifyPassword(password, stored)).toBe(right);
});

test('a letter typed as one or two code points is the same', async () => {
  expect(await verifyPassword('cafe\u0301', await hashPassword('caf\u00e9'))).toBe(true);
});

test.each(['', 'x'.repeat(1025)])('a password of a length that is refused', async (password) => {
  await expect(hashPassword(password)).rejects.toMatchObject({ code: 'value-invalid' });
});

describe('a stored line that is none, or that asks for too much, is no hash', () => {
  test.each([
    '',
    'correct horse',
    `$scrypt$ln=18,r=8,p=1$${salt}$${hash}`,
    `$scrypt$ln=14,r=17,p=1$${salt}$${hash}`,
    `$scrypt$ln=14,r=8,p=17$${salt}$${hash}`,
    `$scrypt$ln=0,r=8,p=1$${salt}$${hash}`,
    `$scrypt$ln=14,r=8,p=1$${salt}$${hash}A`,
    `$2b$12$${salt}${hash}`,
  ])('%s', async (line) => {
    expect(isStoredPassword(line)).toBe(false);
    expect(await verifyPassword('x', line)).toBe(false);
  });
});
