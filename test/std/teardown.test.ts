import { expect, test } from 'vitest';
import { createTeardown } from '../../src/std/teardown.ts';

test('steps run in reverse, one after the other', async () => {
  const teardown = createTeardown();
  const order: string[] = [];
  for (const name of ['first', 'second', 'third']) {
    teardown.add(name, async () => {
      order.push(`${name} begins`);
      await Promise.resolve();
      order.push(`${name} ends`);
    });
  }
  await teardown.run();
  expect(order).toEqual(
    ['third', 'second', 'first'].flatMap((name) => [`${name} begins`, `${name} ends`]),
  );
});

test('every step runs, and every failure is told by name', async () => {
  const teardown = createTeardown();
  const ran: string[] = [];
  teardown.add('the pool', () => {
    ran.push('pool');
    throw new Error('pool broke');
  });
  teardown.add('the flows', () => {
    ran.push('flows');
  });
  teardown.add('the web', async () => {
    ran.push('web');
    throw new Error('web broke');
  });
  const failure = await teardown.run().catch((error: unknown) => error);
  expect(ran).toEqual(['web', 'flows', 'pool']);
  expect(failure).toBeInstanceOf(AggregateError);
  const { errors } = failure as AggregateError;
  expect(errors.map(({ message }) => message)).toEqual([
    'Closing the web failed',
    'Closing the pool failed',
  ]);
  expect(errors.map(({ cause }) => cause.message)).toEqual(['web broke', 'pool broke']);
});

test('a second run waits for the first and repeats nothing', async () => {
  const teardown = createTeardown();
  let runs = 0;
  teardown.add('it', async () => {
    await Promise.resolve();
    runs += 1;
  });
  await Promise.all([teardown.run(), teardown.run()]);
  await teardown.run();
  expect(runs).toBe(1);
});

test('nothing to undo is well', async () => {
  await expect(createTeardown().run()).resolves.toBeUndefined();
});
