import { expect, test } from 'vitest';
import { hashPassword } from '../../../src/bus/access/password.ts';
import { createVerifier } from '../../../src/bus/access/verifier.ts';
import { createHandClock } from '../../harness/hand-clock.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const stored = await hashPassword('right');

test('a thousand reconnects with one password cost one hash', async () => {
  const verifier = createVerifier(createHandClock());
  const storm = await Promise.all(
    Array.from({ length: 1000 }, () => verifier.verify('right', stored)),
  );
  expect(new Set(storm)).toEqual(new Set(['right']));
  expect(await verifier.verify('right', stored)).toBe('right');
  expect(verifier.hashes).toBe(1);
});

test('a wrong password, and one of nobody, cost a hash each time', async () => {
  const verifier = createVerifier(createHandClock());
  expect(await verifier.verify('wrong', stored)).toBe('wrong');
  expect(await verifier.verify('wrong', stored)).toBe('wrong');
  expect(await verifier.verify('wrong', undefined)).toBe('wrong');
  expect(verifier.hashes).toBe(3);
});

test('a changed password is not known from before', async () => {
  const verifier = createVerifier(createHandClock());
  await verifier.verify('right', stored);
  expect(await verifier.verify('right', await hashPassword('other'))).toBe('wrong');
});

test('what was right is verified again after a day', async () => {
  const clock = createHandClock();
  const verifier = createVerifier(clock);
  await verifier.verify('right', stored);
  clock.advance(DAY_MS - 1);
  await verifier.verify('right', stored);
  expect(verifier.hashes).toBe(1);
  clock.advance(1);
  await verifier.verify('right', stored);
  expect(verifier.hashes).toBe(2);
});

test('one login more than may wait is told to come later', async () => {
  const verifier = createVerifier(createHandClock());
  // A cheap hash: 130 of the usual cost would take half a minute.
  const cheap = `$scrypt$ln=1,r=1,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`;
  const all = Array.from({ length: 131 }, (_, at) => verifier.verify(`guess ${at}`, cheap));
  const answers = await Promise.all(all);
  expect(answers.filter((answer) => answer === 'busy')).toHaveLength(1);
  expect(answers.at(-1)).toBe('busy');
});
