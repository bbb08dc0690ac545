import { expect, test } from 'vitest';
import { configSchema } from '../../src/node/config.ts';
import { voiceSchema } from '../../src/node/config-voice.ts';

test('without the field no voice sessions are opened', () => {
  expect(configSchema.parse({}).voice).toBeUndefined();
});

test('an empty field is enough', () => {
  expect(voiceSchema.parse({})).toMatchObject({
    sites: {},
    ...{ activityFlow: 'voice-activity', wakeFlow: 'wake-word', commandFlow: 'voice-command' },
  });
});

test.each([
  ['a site that is no level of a topic', { sites: { 'a/b': {} } }, /one level of a topic/],
  ['a device that is none', { sites: { a: { devices: ['+'] } } }, /one level of a topic/],
  [
    'a device of two sites',
    { sites: { a: { devices: ['m'] }, b: { devices: ['m'] } } },
    /is at ."a/,
  ],
  ['a device that is another site', { sites: { a: {}, b: { devices: ['a'] } } }, /is at ."a/],
  ['a rule that does nothing', { intents: { on: {} } }, /an intent or publish/],
  ['a field that is none', { endSilence: 1 }, /endSilence/],
])('%s is refused', (_, config, why) => {
  const { error } = voiceSchema.safeParse(config);
  expect(error?.message).toMatch(why);
});
