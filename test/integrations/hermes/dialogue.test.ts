import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { HermesPeer, VoicePeer } from '../../harness/hermes.ts';
import { type House, openHouse } from './house.ts';

let house: House;
let peer: HermesPeer;
let voice: VoicePeer;

async function open(config: object = {}): Promise<void> {
  house = await openHouse(config);
  ({ peer, voice } = house);
}

beforeEach(() => open());
afterEach(() => house[Symbol.asyncDispose]());

const wake = (site = 'kitchen', sessionId = 'wake-1') =>
  voice.tell({
    ...{ type: 'session-started', site, sessionId, trigger: 'wake' },
    wake: { label: 'computer', score: 0.9 },
  });

const command = (text: string, more: object = {}, sessionId = 'wake-1') =>
  voice.tell({
    ...{ type: 'command', site: 'kitchen', sessionId, text, label: text },
    ...{ score: 0.8, seconds: 0.7, timing: {}, ...more },
  });

const ended = (reason: string, sessionId = 'wake-1') =>
  voice.tell({ type: 'session-ended', site: 'kitchen', sessionId, reason });

/** Lets time pass until a message came. */
async function pass(
  milliseconds: number,
  path: string,
): Promise<Readonly<Record<string, unknown>>> {
  let come: Readonly<Record<string, unknown>> | undefined;
  void peer.hear(path).then((body) => {
    come = body;
  });
  while (come === undefined) {
    house.clock.advance(milliseconds);
    await setImmediate();
  }
  return come;
}

describe('a command after the wake word', () => {
  test('goes through every component in the order of the protocol, to the end by a skill', async () => {
    await wake();
    const { sessionId } = await peer.hear('dialogueManager/sessionStarted');
    await peer.hear('asr/startListening');
    await command('on');
    const intent = await peer.hear('intent/HassTurnOn');
    await ended('command');
    await peer.say('dialogueManager/endSession', { sessionId, text: '' });
    const end = await peer.hear('dialogueManager/sessionEnded');
    await peer.hear('hotword/toggleOn');
    await peer.hear('hotword/toggleOn');
    expect(peer.heard()).toEqual([
      'hotword/computer/detected',
      'dialogueManager/sessionStarted',
      'hotword/toggleOff',
      'asr/startListening',
      'asr/textCaptured',
      'asr/stopListening',
      'hotword/toggleOn',
      'nlu/query',
      'nlu/intentParsed',
      'intent/HassTurnOn',
      'asr/stopListening',
      'dialogueManager/sessionEnded',
      'hotword/toggleOn',
    ]);
    expect(intent).toMatchObject({
      ...{ input: 'on', rawInput: 'on', siteId: 'kitchen', sessionId, customData: 'computer' },
      intent: { intentName: 'HassTurnOn', confidenceScore: 0.8 },
      slots: [
        {
          ...{ entity: 'area', slotName: 'area', rawValue: 'Kitchen', confidence: 1 },
          ...{ value: { kind: 'Unknown', value: 'Kitchen' }, range: { start: 0, end: 2 } },
        },
        { slotName: 'name', value: { value: 'light' } },
      ],
      asrTokens: [[{ value: 'on', confidence: 0.8, rangeStart: 0, rangeEnd: 2 }]],
      ...{ asrConfidence: 0.8, wakewordId: 'computer', lang: 'en' },
    });
    const termination = { reason: 'nominal' };
    expect(end).toEqual({ siteId: 'kitchen', sessionId, customData: 'computer', termination });
  });

  test('is announced as the hotword component does', async () => {
    await wake();
    expect(await peer.hear('hotword/computer/detected')).toEqual({
      ...{ modelId: 'computer', modelVersion: '', modelType: 'personal', currentSensitivity: 1 },
      ...{ siteId: 'kitchen', sessionId: null, sendAudioCaptured: null, lang: 'en' },
    });
  });

  test('has the intent that the voice sessions found', async () => {
    await wake();
    await peer.hear('asr/startListening');
    await command('dim', { intent: { name: 'Dim', slots: { level: 30 } } });
    const { slots } = await peer.hear('intent/Dim');
    expect(slots).toMatchObject([{ slotName: 'level', rawValue: '30', value: { value: 30 } }]);
  });

  test('that the node carries out itself ends the session, with what is said back', async () => {
    await wake();
    await peer.hear('asr/startListening');
    await command('stop', { response: 'The saw stops' });
    const { id, text } = await peer.hear('tts/say');
    expect(text).toBe('The saw stops');
    await peer.say('tts/sayFinished', { id });
    expect(await peer.hear('dialogueManager/sessionEnded')).toMatchObject({
      termination: { reason: 'nominal' },
    });
    expect(peer.heard()).not.toContain('nlu/intentNotRecognized');
  });

  test.each([
    ['that no rule knows', () => command('sesame'), 'sesame'],
    [
      'that is none',
      () =>
        voice.tell({
          ...{ type: 'not-recognised', site: 'kitchen', sessionId: 'wake-1' },
          reason: 'nothing-said',
        }),
      '',
    ],
    ['whose intent is no topic', () => command('go'), 'go'],
  ])('%s ends the session', async (_, say, input) => {
    await wake();
    const { sessionId } = await peer.hear('asr/startListening');
    await say();
    expect(await peer.hear('asr/textCaptured')).toMatchObject({ text: input, sessionId });
    expect(await peer.hear('nlu/intentNotRecognized')).toMatchObject({ input, sessionId });
    expect(await peer.hear('dialogueManager/sessionEnded')).toMatchObject({
      ...{ sessionId, termination: { reason: 'intentNotRecognized' } },
    });
    expect(peer.heard()).not.toContain('dialogueManager/intentNotRecognized');
  });

  test('that was lost on the way is told as an error', async () => {
    await wake();
    await peer.hear('asr/startListening');
    const session = { site: 'kitchen', sessionId: 'wake-1' };
    await voice.tell({ type: 'not-recognised', ...session, reason: 'audio-lost' });
    expect(await peer.hear('error/asr')).toMatchObject({
      error: expect.stringMatching('audio-lost'),
    });
    await peer.hear('dialogueManager/sessionEnded');
  });

  test('that is called off ends the session as the user wished', async () => {
    await wake();
    await peer.hear('asr/startListening');
    await ended('cancelled');
    expect(await peer.hear('dialogueManager/sessionEnded')).toMatchObject({
      termination: { reason: 'abortedByUser' },
    });
    expect(peer.heard()).not.toContain('asr/textCaptured');
  });

  test('that no skill answers ends with a timeout', async () => {
    await wake();
    await peer.hear('asr/startListening');
    await command('on');
    await peer.hear('intent/HassTurnOn');
    expect(await pass(1000, 'dialogueManager/sessionEnded')).toMatchObject({
      termination: { reason: 'timeout' },
    });
    expect(house.clock.now()).toBeGreaterThanOrEqual(1_030_000);
  });

  test('gives way to the next wake word, also before a skill has answered', async () => {
    await wake();
    const first = await peer.hear('dialogueManager/sessionStarted');
    await peer.hear('asr/startListening');
    await command('on');
    await peer.hear('intent/HassTurnOn');
    await ended('command');
    await wake('kitchen', 'wake-2');
    expect(await peer.hear('dialogueManager/sessionEnded')).toMatchObject({
      ...{ sessionId: first.sessionId, termination: { reason: 'abortedByUser' } },
    });
    const second = await peer.hear('dialogueManager/sessionStarted');
    await peer.hear('asr/startListening');
    await command('off', {}, 'wake-2');
    expect(await peer.hear('intent/HassTurnOff')).toMatchObject({ sessionId: second.sessionId });
    // The voice session of the second wake word is not taken for that of the first.
    expect(voice.received.filter(({ topic }) => topic.endsWith('/cancel'))).toEqual([]);
  });

  test('that a satellite heard itself is listened to', async () => {
    const body = { modelId: 'snow', siteId: 'attic', sessionId: 'mine', modelVersion: null };
    await peer.say('hotword/snow/detected', body);
    const started = { siteId: 'attic', sessionId: 'mine', customData: 'snow' };
    expect(await peer.hear('dialogueManager/sessionStarted')).toMatchObject(started);
    expect(await voice.asked('listen')).toMatchObject({ site: 'attic' });
    expect(await peer.hear('asr/startListening')).toMatchObject({ wakewordId: 'snow' });
  });
});

describe('a session that a skill starts', () => {
  const action = (more: object = {}) => ({
    ...{ siteId: 'kitchen', customData: '{"game": 1}' },
    init: { type: 'action', canBeEnqueued: true, ...more },
  });

  /** The command is said in the voice session that was opened last. */
  async function answerWith(text: string, sessionId = 'voice-1'): Promise<void> {
    await voice.asked('listen');
    await peer.hear('asr/startListening');
    await command(text, {}, sessionId);
    await ended('command', sessionId);
  }

  test('says its text, listens after that, and carries its data to the end', async () => {
    await peer.say('dialogueManager/startSession', action({ text: 'Ready?' }));
    const { sessionId, customData } = await peer.hear('dialogueManager/sessionStarted');
    expect(customData).toBe('{"game": 1}');
    const say = await peer.hear('tts/say');
    expect(say).toMatchObject({ text: 'Ready?', siteId: 'kitchen', sessionId, lang: 'en' });
    expect(await voice.asked('set')).toEqual({ site: 'kitchen', enabled: false });
    expect(peer.heard()).not.toContain('asr/startListening');
    await peer.say('tts/sayFinished', { id: say.id, siteId: 'kitchen', sessionId });
    expect(await voice.asked('set')).toEqual({ site: 'kitchen', enabled: true });
    await answerWith('yes');
    expect(await peer.hear('intent/Confirm')).toMatchObject({ sessionId, customData });
    await peer.say('dialogueManager/endSession', { sessionId, customData: 'won' });
    expect(await peer.hear('dialogueManager/sessionEnded')).toMatchObject({
      ...{ sessionId, customData: 'won', termination: { reason: 'nominal' } },
    });
  });

  test('listens after a while where nobody can speak', async () => {
    await peer.say('dialogueManager/startSession', action({ text: 'Ready?' }));
    await peer.hear('tts/say');
    await pass(1000, 'asr/startListening');
    expect(house.clock.now()).toBeGreaterThanOrEqual(1_010_000);
  });

  test('that is continued asks again, with its own filter and data', async () => {
    await peer.say('dialogueManager/startSession', action());
    await answerWith('on');
    const { sessionId } = await peer.hear('intent/HassTurnOn');
    await peer.say('dialogueManager/continueSession', {
      ...{ sessionId, text: 'Sure?', intentFilter: ['Confirm'], customData: 'asked' },
      sendIntentNotRecognized: true,
    });
    const { id } = await peer.hear('tts/say');
    await peer.say('tts/sayFinished', { id });
    await answerWith('off', 'voice-2');
    const unknown = { input: 'off', siteId: 'kitchen', sessionId, customData: 'asked' };
    expect(await peer.hear('dialogueManager/intentNotRecognized')).toEqual(unknown);
    await peer.say('dialogueManager/continueSession', { sessionId, intentFilter: null });
    await answerWith('off', 'voice-3');
    expect(await peer.hear('intent/HassTurnOff')).toMatchObject({ customData: 'asked' });
    expect(peer.heard()).not.toContain('dialogueManager/sessionEnded');
  });

  test('waits for the one before, and begins when that has ended', async () => {
    await peer.say('dialogueManager/startSession', action());
    const first = await peer.hear('dialogueManager/sessionStarted');
    await peer.say('dialogueManager/startSession', { ...action(), customData: 'second' });
    const queued = await peer.hear('dialogueManager/sessionQueued');
    expect(queued).toMatchObject({ siteId: 'kitchen', customData: 'second' });
    await peer.say('dialogueManager/endSession', { sessionId: first.sessionId });
    await peer.hear('dialogueManager/sessionEnded');
    const second = await peer.hear('dialogueManager/sessionStarted');
    expect(second).toMatchObject({ sessionId: queued.sessionId, customData: 'second' });
  });

  test('that may not wait is refused where one is open, and leaves that alone', async () => {
    await peer.say('dialogueManager/startSession', action());
    await peer.hear('dialogueManager/sessionStarted');
    await peer.say('dialogueManager/startSession', action({ canBeEnqueued: false }));
    expect(await peer.hear('error/dialogueManager')).toMatchObject({
      ...{ siteId: 'kitchen', error: expect.stringContaining('one is open') },
    });
    await answerWith('yes');
    await peer.hear('intent/Confirm');
  });

  test('at another site runs beside it', async () => {
    await peer.say('dialogueManager/startSession', action());
    await peer.say('dialogueManager/startSession', { ...action(), siteId: 'attic' });
    const first = await peer.hear('dialogueManager/sessionStarted');
    const second = await peer.hear('dialogueManager/sessionStarted');
    expect([first.siteId, second.siteId]).toEqual(['kitchen', 'attic']);
  });

  test.each(['', 'default'])('at no site (%j) is at the site "default"', async (siteId) => {
    const { siteId: _, ...rest } = action();
    await peer.say('dialogueManager/startSession', siteId === '' ? rest : { ...rest, siteId });
    const { siteId: given } = await peer.hear('dialogueManager/sessionStarted');
    expect(given).toBe('default');
    expect(await voice.asked('listen')).toMatchObject({ site: 'default' });
  });

  test('that only tells something ends once it was spoken', async () => {
    const init = { type: 'notification', text: 'The door is open' };
    await peer.say('dialogueManager/startSession', { init, siteId: 'kitchen' });
    const { id, sessionId } = await peer.hear('tts/say');
    expect(peer.heard()).not.toContain('dialogueManager/sessionEnded');
    await peer.say('tts/sayFinished', { id });
    expect(await peer.hear('dialogueManager/sessionEnded')).toMatchObject({
      ...{ sessionId, termination: { reason: 'nominal' } },
    });
    expect(peer.heard()).not.toContain('asr/startListening');
  });

  test('ends with an error where nobody can listen, also after a while', async () => {
    voice.refuseWith('no such site');
    await peer.say('dialogueManager/startSession', action());
    expect(await pass(100, 'error/asr')).toMatchObject({ error: 'no such site' });
    expect(await peer.hear('dialogueManager/sessionEnded')).toMatchObject({
      termination: { reason: 'error' },
    });
  });

  test('listens once the satellite is known, which sends no sound before that', async () => {
    voice.refuseWith('no such site');
    await peer.say('dialogueManager/startSession', action());
    await peer.hear('asr/startListening');
    await voice.asked('listen');
    voice.refuseWith(undefined);
    let again = false;
    void voice.asked('listen').then(() => {
      again = true;
    });
    while (!again) {
      house.clock.advance(100);
      await setImmediate();
    }
    await command('on', {}, 'voice-1');
    await peer.hear('intent/HassTurnOn');
    expect(peer.heard()).not.toContain('error/asr');
  });

  test('that a skill ends while it listens stops listening', async () => {
    await peer.say('dialogueManager/startSession', action());
    const { sessionId } = await peer.hear('asr/startListening');
    await voice.asked('listen');
    await peer.say('dialogueManager/endSession', { sessionId });
    await peer.hear('dialogueManager/sessionEnded');
    expect(await voice.asked('cancel')).toMatchObject({ site: 'kitchen' });
  });
});

describe('limits', () => {
  test('no more sessions wait than configured', async () => {
    await house[Symbol.asyncDispose]();
    await open({ limits: { sessionsQueuedMax: 2 } });
    const init = { type: 'action', canBeEnqueued: true };
    for (let at = 0; at < 4; at++) await peer.say('dialogueManager/startSession', { init });
    expect(await peer.hear('error/dialogueManager')).toMatchObject({
      error: expect.stringContaining('2 wait already'),
    });
    const queued = peer.heard().filter((path) => path === 'dialogueManager/sessionQueued');
    expect(queued).toHaveLength(2);
  });

  test('no more sites have a session than configured', async () => {
    await house[Symbol.asyncDispose]();
    await open({ limits: { sitesMax: 2 } });
    const init = { type: 'action', canBeEnqueued: true };
    for (const siteId of ['a', 'b', 'c']) {
      await peer.say('dialogueManager/startSession', { siteId, init });
    }
    expect(await peer.hear('error/dialogueManager')).toMatchObject({ siteId: 'c' });
  });

  test.each(['continueSession', 'endSession'])('%s of no session is told', async (path) => {
    await peer.say(`dialogueManager/${path}`, { sessionId: 'nobody' });
    expect(await peer.hear('error/dialogueManager')).toMatchObject({ sessionId: 'nobody' });
  });
});
