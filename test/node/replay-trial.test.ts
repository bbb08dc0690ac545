import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openReplayTrial, type ReplayTrial } from '../../src/node/replay-trial.ts';
import { openStore } from '../../src/store/database.ts';
import type { Store } from '../../src/store/store.ts';
import { temporaryFolder } from '../harness/node.ts';

let folder: string;
let store: Store;

beforeEach(async () => {
  folder = await temporaryFolder();
  store = await openStore({ folder: join(folder, 'store') });
});
afterEach(async () => {
  await store[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** A start of the node whose replay begins with these events. */
async function begin(...ids: readonly string[]): Promise<[ReplayTrial, readonly string[]]> {
  const trial = await openReplayTrial(store);
  await trial.begin();
  const verdicts: string[] = [];
  for (const id of ids) verdicts.push(await trial.admit(id));
  return [trial, verdicts];
}

test('events go together until two starts have ended amid their replay', async () => {
  for (const _ of [1, 2]) expect((await begin('a', 'b'))[1]).toEqual(['try', 'try']);
  const [trial, first] = await begin('a');
  expect(first).toEqual(['try']);
  let second = 'waits';
  const admitted = trial.admit('b').then((verdict) => {
    second = verdict;
  });
  await store.flush();
  expect(second).toBe('waits');
  trial.settled('a');
  await admitted;
  expect(second).toBe('try');
});

test('the event at which the process ended three times is given up, whatever went before it', async () => {
  for (const _ of [1, 2]) await begin('a', 'bad');
  for (const other of ['b', 'c', 'd']) {
    const [trial] = await begin(other);
    trial.settled(other);
    expect(await trial.admit('bad')).toBe('try');
  }
  const [trial] = await begin('e');
  trial.settled('e');
  expect(await trial.admit('bad')).toBe('give-up');
  expect(await trial.admit('f')).toBe('try');
});

test('a replay that is over, or a stop in order, makes every start before it forgotten', async () => {
  for (const _ of [1, 2]) await begin('a');
  const [survived] = await begin('a');
  survived.end();
  survived.settled('a');
  expect((await begin('a', 'b'))[1]).toEqual(['try', 'try']);
  await begin('a');
  const [stopped] = await begin('a');
  await stopped.close();
  expect((await begin('a', 'b'))[1]).toEqual(['try', 'try']);
});
