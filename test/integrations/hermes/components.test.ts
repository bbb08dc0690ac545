import { afterEach, describe, expect, test } from 'vitest';
import { openBroker } from '../../../src/bus/broker.ts';
import { connectHermes, type HermesPeer, type VoicePeer } from '../../harness/hermes.ts';
import { type House, openHouse } from './house.ts';

let house: House;
let peer: HermesPeer;
let voice: VoicePeer;

async function open(config: object = {}): Promise<void> {
  house = await openHouse(config);
  ({ peer, voice } = house);
}

afterEach(() => house[Symbol.asyncDispose]());

const command = (sessionId: string, site = 'kitchen') =>
  voice.tell({ type: 'command', site, sessionId, text: 'on', label: 'on', score: 0.8, seconds: 1 });

const ended = (sessionId: string, reason = 'command') =>
  voice.tell({ type: 'session-ended', site: 'kitchen', sessionId, reason });

const wake = (sessionId: string, site = 'kitchen', device = site) =>
  voice.tell({ type: 'session-started', site, device, sessionId, trigger: 'wake' });

describe('a question of what a sentence means', () => {
  const query = { siteId: 'kitchen', sessionId: 's', id: 'q1', wakewordId: 'w', lang: 'de' };

  test.each([
    ['as the rule has it', 'on', null],
    ['with other letters and blanks', ' ON! ', null],
    ['where the filter has its intent', 'on', ['Confirm', 'HassTurnOn']],
  ])('is answered %s', async (_, input, intentFilter) => {
    await open();
    await peer.say('nlu/query', { ...query, input, intentFilter });
    const intent = { intentName: 'HassTurnOn', confidenceScore: 1 };
    const own = { siteId: 'kitchen', sessionId: 's', id: 'q1', input, intent };
    expect(await peer.hear('nlu/intentParsed')).toMatchObject(own);
    expect(await peer.hear('intent/HassTurnOn')).toMatchObject({
      ...{ ...own, wakewordId: 'w', lang: 'de', rawInput: input },
      slots: [{ slotName: 'area', value: { value: 'Kitchen' } }, { slotName: 'name' }],
    });
  });

  test.each([
    ['no rule knows', 'open sesame', null],
    ['the filter leaves out', 'on', ['Confirm']],
    ['has no intent for skills', 'stop', null],
    ['is empty', '', null],
  ])('that %s is not recognised', async (_, input, intentFilter) => {
    await open();
    await peer.say('nlu/query', { ...query, input, intentFilter });
    const told = { input, siteId: 'kitchen', sessionId: 's', id: 'q1', customData: null };
    expect(await peer.hear('nlu/intentNotRecognized')).toEqual(told);
  });

  test('with the least fields is answered for the site "default"', async () => {
    await open();
    await peer.say('nlu/query', { input: 'off' });
    expect(await peer.hear('intent/HassTurnOff')).toMatchObject({
      ...{ siteId: 'default', sessionId: null, id: null },
      slots: [{ slotName: 'area', value: { value: 'default' } }],
    });
  });
});

describe('listening for another dialogue manager', () => {
  test('gives the words, and begins no dialogue', async () => {
    await open();
    const asked = { siteId: 'kitchen', sessionId: 'theirs', wakewordId: 'w', lang: 'de' };
    await peer.say('asr/startListening', asked);
    await voice.asked('listen');
    await voice.tell({
      ...{ type: 'command', site: 'kitchen', sessionId: 'another', text: 'off', score: 1 },
    });
    await command('voice-1');
    expect(await peer.hear('asr/textCaptured')).toEqual({
      ...{ text: 'on', likelihood: 0.8, seconds: 1, ...asked },
      asrTokens: [[{ value: 'on', confidence: 0.8, rangeStart: 0, rangeEnd: 2, time: null }]],
    });
    expect(peer.heard()).toEqual(['asr/textCaptured']);
  });

  test('ends with no words when it is told to stop', async () => {
    await open();
    await peer.say('asr/startListening', { siteId: 'kitchen', sessionId: 'theirs' });
    await voice.asked('listen');
    await peer.say('asr/stopListening', { siteId: 'kitchen', sessionId: 'before' });
    await peer.say('asr/stopListening', { siteId: 'kitchen', sessionId: 'theirs' });
    const { text, sessionId } = await peer.hear('asr/textCaptured');
    expect({ text, sessionId }).toEqual({ text: '', sessionId: 'theirs' });
    await voice.asked('cancel');
  });

  test('goes on for the last that asked at a site; the one before gets no words', async () => {
    await open();
    await peer.say('asr/startListening', { siteId: 'kitchen', sessionId: 'first' });
    await voice.asked('listen');
    await peer.say('asr/startListening', { siteId: 'kitchen', sessionId: 'second' });
    expect(await peer.hear('asr/textCaptured')).toMatchObject({ text: '', sessionId: 'first' });
    await voice.asked('listen');
    await command('voice-2');
    expect(await peer.hear('asr/textCaptured')).toMatchObject({ text: 'on', sessionId: 'second' });
  });

  test('takes the words of a wake word that this node heard, which then opens no second session', async () => {
    await open({ dialogue: false, wakewordId: 'jarvis' });
    await wake('wake-1');
    await peer.hear('hotword/jarvis/detected');
    await peer.say('asr/startListening', { siteId: 'kitchen', sessionId: 'theirs' });
    await peer.say('nlu/query', { input: 'on' }); // handled after it: messages keep their order
    await peer.hear('intent/HassTurnOn');
    await command('wake-1');
    expect(await peer.hear('asr/textCaptured')).toMatchObject({ text: 'on', sessionId: 'theirs' });
    expect(voice.received).toEqual([]);
  });

  test('takes the words of a wake word also where they came first', async () => {
    await open({ dialogue: false });
    await wake('wake-1');
    await command('wake-1');
    await wake('other', 'attic');
    await peer.hear('hotword/computer/detected');
    await peer.hear('hotword/computer/detected');
    await peer.say('asr/startListening', { siteId: 'kitchen', sessionId: 'theirs' });
    expect(await peer.hear('asr/textCaptured')).toMatchObject({ text: 'on', sessionId: 'theirs' });
  });

  test('waits while it is switched off', async () => {
    await open();
    await peer.say('asr/toggleOff', { siteId: 'kitchen', reason: 'playAudio' });
    await peer.say('asr/startListening', { siteId: 'kitchen', sessionId: 'theirs' });
    await peer.say('asr/startListening', { siteId: 'attic', sessionId: 'up' });
    expect(await voice.asked('listen')).toMatchObject({ site: 'attic' });
    await peer.say('asr/toggleOn', { siteId: 'kitchen', reason: 'playAudio' });
    expect(await voice.asked('listen')).toMatchObject({ site: 'kitchen' });
  });

  test('is refused where a session of this node listens', async () => {
    await open();
    await wake('wake-1');
    await peer.hear('asr/startListening');
    await peer.say('asr/startListening', { siteId: 'kitchen', sessionId: 'theirs' });
    const error = expect.stringContaining('a session of this node');
    expect(await peer.hear('error/asr')).toMatchObject({ siteId: 'kitchen', error });
  });

  test('fails where nobody answers', async () => {
    await open();
    await voice[Symbol.asyncDispose]();
    await peer.say('asr/startListening', { siteId: 'kitchen', sessionId: 'theirs' });
    await peer.say('nlu/query', { input: 'on' });
    await peer.hear('intent/HassTurnOn');
    house.clock.advance(5000);
    expect(await peer.hear('error/asr')).toMatchObject({
      ...{ sessionId: 'theirs', error: expect.stringContaining('do not answer') },
    });
  });
});

describe('waking', () => {
  test('is switched off while there is a reason for it', async () => {
    await open();
    const site = (siteId: string, reason?: string) => ({ siteId, ...(reason && { reason }) });
    await peer.say('hotword/toggleOff', site('kitchen', 'playAudio'));
    expect(await voice.asked('set')).toEqual({ site: 'kitchen', enabled: false });
    await peer.say('hotword/toggleOff', site('kitchen', 'ttsSay'));
    await peer.say('hotword/toggleOn', site('kitchen', 'playAudio'));
    await peer.say('hotword/toggleOff', site('attic'));
    expect(await voice.asked('set')).toEqual({ site: 'attic', enabled: false });
    await peer.say('hotword/toggleOn', site('kitchen', 'ttsSay'));
    expect(await voice.asked('set')).toEqual({ site: 'kitchen', enabled: true });
    await peer.say('hotword/toggleOn', site('attic'));
    expect(await voice.asked('set')).toEqual({ site: 'attic', enabled: true });
  });

  test.each([
    ['default', 'hall'],
    ['sat 1', 'kitchen'],
    ['Living Room', 'Living Room'],
    ['sofa', 'Living Room'],
    ['Küche', 'K_xc3_xbcche'],
  ])('of siteId %s is that of site %s', async (siteId, site) => {
    await open({ sites: { default: 'hall' } });
    await peer.say('hotword/toggleOff', { siteId });
    expect(await voice.asked('set')).toEqual({ site, enabled: false });
  });

  test('is told under the siteId of the satellite that heard it', async () => {
    await open({ sites: { default: 'hall' }, wakewordId: 'w' });
    await wake('a', 'hall', 'default');
    await wake('b', 'kitchen', 'sat_x201');
    await wake('c', 'Living Room', 'desk');
    await wake('d', 'K_xc3_xbcche');
    await wake('e', 'Living Room', 'sofa');
    const heard: unknown[] = [];
    for (let at = 0; at < 5; at++) heard.push((await peer.hear('hotword/w/detected')).siteId);
    expect(heard).toEqual(['default', 'sat 1', 'Living Room', 'Küche', 'sofa']);
  });
});

describe("this node's own messages", () => {
  test('are no requests, while equal ones of others are', async () => {
    await open();
    await using other = await connectHermes(house.bus.address);
    await wake('wake-1');
    await peer.hear('asr/startListening');
    await command('wake-1');
    await ended('wake-1');
    const own = await other.hear('nlu/query');
    await peer.hear('intent/HassTurnOn');
    await other.say('nlu/query', own);
    await other.hear('intent/HassTurnOn');
    await other.hear('intent/HassTurnOn');
    await other.say('hotword/toggleOff', { siteId: 'kitchen', reason: 'dialogueSession' });
    expect(await voice.asked('set')).toEqual({ site: 'kitchen', enabled: false });
    // One answer for each: the node's question did not come back to it.
    expect(other.heard().filter((path) => path === 'intent/HassTurnOn')).toHaveLength(2);
    expect(voice.received.filter(({ topic }) => !topic.endsWith('/set'))).toEqual([]);
  });
});

describe('what is no Hermes', () => {
  const huge = Buffer.from(JSON.stringify({ input: 'x'.repeat(70_000) }));

  test.each([
    ['nlu/query', '{"input": ', 'nlu'],
    ['nlu/query', '[]', 'nlu'],
    ['nlu/query', '"on"', 'nlu'],
    ['nlu/query', 'null', 'nlu'],
    ['nlu/query', '', 'nlu'],
    ['nlu/query', '{"input": 7}', 'nlu'],
    ['nlu/query', '{"input": "on", "siteId": ["kitchen"]}', 'nlu'],
    ['nlu/query', '{"input": "on", "intentFilter": "Confirm"}', 'nlu'],
    ['nlu/query', huge, 'nlu'],
    ['asr/startListening', '\x00\xff', 'asr'],
    ['hotword/toggleOff', '{"siteId": {}}', 'hotword'],
    ['hotword/x/detected', '{', 'hotword'],
    ['tts/sayFinished', '{"id": 7}', 'tts'],
    ['dialogueManager/startSession', '{}', 'dialogueManager'],
    ['dialogueManager/startSession', '{"init": {"type": "party"}}', 'dialogueManager'],
    ['dialogueManager/continueSession', '{"text": "?"}', 'dialogueManager'],
    ['dialogueManager/endSession', '{"sessionId": null}', 'dialogueManager'],
  ])('on %s is told, and the next message is dealt with (%#)', async (path, payload, name) => {
    await open();
    await peer.send(path, payload);
    const { error, context } = await peer.hear(`error/${name}`);
    expect(error).toMatch(/^Cannot use hermes\//);
    expect(context).toBe(`hermes/${path}`);
    await peer.say('nlu/query', { input: 'on' });
    await peer.hear('intent/HassTurnOn');
  });

  test('of today any more (a message that the broker kept) is ignored', async () => {
    const bus = await openBroker({ port: 0 });
    const init = { type: 'action', canBeEnqueued: true };
    await bus.publish({
      ...{ topic: 'hermes/dialogueManager/startSession', qos: 0, retain: true },
      payload: Buffer.from(JSON.stringify({ siteId: 'kitchen', init })),
    });
    house = await openHouse({}, bus);
    ({ peer, voice } = house);
    await peer.say('dialogueManager/startSession', { siteId: 'kitchen', init });
    await peer.hear('dialogueManager/sessionStarted'); // it need not wait for another
  });

  test('is told once a second, with how often', async () => {
    await open();
    for (let at = 0; at < 50; at++) await peer.send('nlu/query', '{');
    await peer.say('nlu/query', { input: 'on' });
    await peer.hear('intent/HassTurnOn');
    house.clock.advance(1000);
    await peer.send('nlu/query', '{');
    await peer.hear('error/nlu');
    expect((await peer.hear('error/nlu')).error).toContain('(and 49 before it)');
    expect(peer.heard().filter((path) => path === 'error/nlu')).toHaveLength(2);
  });

  test('by the hundred sites leaves the others alone', async () => {
    await open({ limits: { sitesMax: 4 } });
    for (let at = 0; at < 300; at++) {
      await peer.say('hotword/toggleOff', { siteId: `site-${at}` });
      await peer.say('asr/startListening', { siteId: `site-${at}`, sessionId: `${at}` });
    }
    await peer.hear('error/asr');
    await peer.say('nlu/query', { input: 'on' });
    await peer.hear('intent/HassTurnOn');
    expect(voice.received.filter(({ topic }) => topic.endsWith('/set'))).toHaveLength(4);
    expect(voice.received.filter(({ topic }) => topic.endsWith('/listen'))).toHaveLength(4);
  });
});
