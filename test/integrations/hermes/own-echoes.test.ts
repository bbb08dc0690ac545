import { expect, test } from 'vitest';
import { createOwnEchoes } from '../../../src/integrations/hermes/own-echoes.ts';

const bytes = (text: string) => Buffer.from(text);

test('a message is its own echo once for each time that it was sent', () => {
  const echoes = createOwnEchoes(() => 0);
  echoes.expect('t', 'a');
  echoes.expect('t', 'a');
  expect(echoes.take('t', bytes('b'))).toBe(false);
  expect(echoes.take('u', bytes('a'))).toBe(false);
  const taken = [1, 2, 3].map(() => echoes.take('t', bytes('a')));
  expect(taken).toEqual([true, true, false]);
  expect(echoes.size).toBe(0);
});

test('a message that was not sent after all is not expected', () => {
  const echoes = createOwnEchoes(() => 0);
  const callOff = echoes.expect('t', 'a');
  echoes.expect('t', 'a');
  callOff();
  callOff();
  expect(echoes.size).toBe(1);
  expect(echoes.take('t', bytes('a'))).toBe(true);
  expect(echoes.take('t', bytes('a'))).toBe(false);
});

test('a message that does not come back is forgotten after ten seconds', () => {
  let now = 0;
  const echoes = createOwnEchoes(() => now);
  echoes.expect('t', 'a');
  now = 5_000;
  echoes.expect('t', 'b');
  now = 10_000;
  expect(echoes.take('t', bytes('a'))).toBe(false);
  expect(echoes.take('t', bytes('b'))).toBe(true);
});

test('no more than 1,024 messages are expected, the oldest are given up', () => {
  const echoes = createOwnEchoes(() => 0);
  for (let at = 0; at < 3000; at++) echoes.expect('t', String(at));
  expect(echoes.size).toBe(1024);
  expect(echoes.take('t', bytes('1975'))).toBe(false);
  expect(echoes.take('t', bytes('1976'))).toBe(true);
});
