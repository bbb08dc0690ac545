import { expect, test } from 'vitest';
import { wyomingField, wyomingSchema } from '../../src/node/config-wyoming.ts';

test('a Wyoming server is not opened where none is configured', () => {
  expect(wyomingField.parse(undefined)).toBeUndefined();
});

test('a Wyoming server listens to its own machine unless told otherwise', () => {
  expect(wyomingSchema.parse({})).toMatchObject({
    host: '127.0.0.1',
    port: 10_400,
    activityFlow: 'voice-activity',
    wakeFlow: 'wake-word',
    commandFlow: 'voice-command',
  });
});

test.each([
  [{ port: 65_536 }, 'port'],
  [{ wakeFlow: 'a/b' }, 'wakeFlow'],
  [{ zeroconf: 'maybe' }, 'zeroconf'],
  [{ languages: [] }, 'languages'],
  [{ limits: { connectionsMax: 0 } }, 'limits.connectionsMax'],
  [{ intents: { on: {} } }, 'intents.on.intent'],
  [{ intents: { on: { publish: { topic: 'a/#' } } } }, 'intents.on.publish.topic'],
  [{ password: 'x' }, ''],
])('%j is refused at %s', (config, field) => {
  const paths = wyomingSchema.safeParse(config).error?.issues.map(({ path }) => path.join('.'));
  expect(paths).toEqual([field]);
});
