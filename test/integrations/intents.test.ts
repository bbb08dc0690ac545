import { expect, test } from 'vitest';
import { openBroker } from '../../src/bus/broker.ts';
import { createIntents } from '../../src/integrations/intents.ts';
import { createMeaning } from '../../src/integrations/wyoming/meaning.ts';
import { voiceSchema } from '../../src/node/config-voice.ts';
import { wyomingSchema } from '../../src/node/config-wyoming.ts';

const KITCHEN = { site: 'kitchen', room: 'The kitchen' };
const { intents: DEFAULTS } = voiceSchema.parse({});
const LIGHT = { slots: { area: '{room}', level: 3, name: 'lamp of {site}' } };

test.each([
  ['On!', KITCHEN, { name: 'HassTurnOn', slots: { area: 'The kitchen', domain: 'light' } }],
  ['off', KITCHEN, { name: 'HassTurnOff', slots: { area: 'The kitchen', domain: 'light' } }],
  ['on', {}, { name: 'HassTurnOn', slots: { domain: 'light' } }],
])('the default rules make of "%s" at %j what it means', (text, place, intent) => {
  expect(createIntents(DEFAULTS).find(text, place)?.intent).toEqual(intent);
});

test('places are filled into slots, topic and payload, as often as they occur', () => {
  const publish = { topic: '{site}/{site}', payload: '{room} {other}' };
  const intents = createIntents({ up: { intent: 'Up', ...LIGHT, publish, response: 'Done' } });
  expect(intents.find('up', KITCHEN)).toEqual({
    intent: { name: 'Up', slots: { area: 'The kitchen', level: 3, name: 'lamp of kitchen' } },
    publish: { topic: 'kitchen/kitchen', payload: 'The kitchen {other}' },
    response: 'Done',
  });
  expect(intents.find('down', KITCHEN)).toBeUndefined();
});

test('a client of Wyoming, whose place nobody knows, sends no message to a place', async () => {
  await using bus = await openBroker({ port: 0 });
  const rule = { slots: {}, publish: { topic: '{site}/set', payload: '' } };
  const answer = await createMeaning({ up: rule }, bus).answer('up');
  expect(answer).toMatchObject({ type: 'not-handled' });
});

test('Wyoming has rules of its own only where they are given', () => {
  expect(wyomingSchema.parse({}).intents).toBeUndefined();
  expect(wyomingSchema.parse({ intents: {} }).intents).toEqual({});
});
