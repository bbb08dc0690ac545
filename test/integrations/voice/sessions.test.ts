import { afterEach, describe, expect, test } from 'vitest';
import { parseWav } from '../../../src/signal/wav.ts';
import { openVoiceRoom, type VoiceRoom } from './voice-room.ts';

const ON = [{ label: 'on', score: 0.93 }];
const STARTED = 'session-started';
const RECOGNISED = [STARTED, 'command', 'session-ended'];
const NOT_RECOGNISED = [STARTED, 'not-recognised', 'session-ended'];

let room: VoiceRoom;
afterEach(() => room[Symbol.asyncDispose]());

async function open(config: object = {}): Promise<void> {
  room = await openVoiceRoom({
    sites: { kitchen: { devices: ['mic-1', 'mic-2'], room: 'Kitchen' }, hall: {} },
    ...{ endSilenceMs: 60, nothingSaidMs: 2000, commandMsMax: 2000, arbitrationMs: 100 },
    ...config,
  });
}

/** The wake word with its activity, then a pause, then the session is there. */
async function say(device: string, loud = 8000): Promise<void> {
  await room.sound(device, 500, 0);
  await room.active(device, true);
  await room.sound(device, 600, loud);
  await room.wake(device);
  await room.sound(device, 100, loud);
  await room.active(device, false);
  await room.sound(device, 100, 0);
}

/** A command of 400 ms to its end by silence. */
async function command(device: string): Promise<void> {
  await room.sound(device, 60, 9000);
  await room.active(device, true);
  await room.sound(device, 340, 9000);
  await room.sound(device, 100, 0);
  await room.active(device, false);
  await room.sound(device, 100, 0);
}

const samplesOf = (wav: Uint8Array) => parseWav(wav).data.byteLength / 2;
const last = (type: string) => room.told.findLast((one) => one.type === type);

describe('a session', () => {
  test('takes a word with a pause in it as one command', async () => {
    await open();
    await say('mic-1');
    await command('mic-1');
    await room.answer([{ label: 'left', score: 0.3 }]);
    expect(room.types()).toEqual([STARTED]);
    await room.active('mic-1', true);
    await room.sound('mic-1', 200, 9000);
    await room.active('mic-1', false);
    await room.sound('mic-1', 100, 0);
    const [first = 0, second = 0] = room.clips.map(({ payload }) => samplesOf(payload));
    expect(second).toBe(first + 300 * 16);
    await room.answer([{ label: 'left', score: 0.9 }]);
    expect(room.types()).toEqual(RECOGNISED);
  });

  test('goes from the wake word to the command and its intent', async () => {
    await open();
    await say('mic-1');
    await command('mic-1');
    expect(room.types()).toEqual([STARTED]);
    expect(room.clips).toHaveLength(1);
    await room.answer(ON);
    expect(room.types()).toEqual(RECOGNISED);
    const [started, understood, ended] = room.told;
    const sessionId = started?.sessionId;
    const same = { site: 'kitchen', device: 'mic-1', sessionId, ts: expect.any(Number) };
    expect(started).toEqual({
      ...{ type: STARTED, ...same, trigger: 'wake', wake: { label: 'computer', score: 0.9 } },
    });
    expect(understood).toEqual({
      ...{ type: 'command', ...same, text: 'on', label: 'on', score: 0.93 },
      intent: { name: 'HassTurnOn', slots: { area: 'Kitchen', domain: 'light' } },
      seconds: 0.78,
      timing: { endSilenceMs: 60, commandMs: 40, totalMs: 200 },
    });
    expect(ended).toEqual({ type: 'session-ended', ...same, reason: 'command' });
  });

  test('whose command follows in one breath has its first sound, without the wait', async () => {
    await open({ arbitrationMs: 1000 });
    await room.sound('mic-1', 200, 0);
    await room.active('mic-1', true);
    await room.sound('mic-1', 600, 8000);
    await room.wake('mic-1');
    await room.sound('mic-1', 400, 9000);
    await room.sound('mic-1', 100, 0);
    await room.active('mic-1', false);
    await room.sound('mic-1', 100, 0);
    expect(room.clips).toHaveLength(0);
    await room.sound('mic-1', 500, 0);
    expect(room.types()).toEqual([STARTED]);
    const [clip] = room.clips;
    // Before the wake word, the command, until the flow says so, silence that came by the limit.
    expect(samplesOf(clip!.payload) / 16).toBe(300 + 400 + 100 + 40);
    expect(Buffer.from(clip!.payload).readInt16LE(44)).toBe(8000);
    await room.answer(ON);
    expect(room.types()).toEqual(RECOGNISED);
  });

  test('does not take the rest of the wake word for a command', async () => {
    await open();
    await say('mic-1');
    expect(room.clips).toHaveLength(0);
    await command('mic-1');
    expect(room.clips).toHaveLength(1);
  });

  test('goes on listening where speech that began with the wake word was no command', async () => {
    await open();
    await room.sound('mic-1', 200, 0);
    await room.active('mic-1', true);
    await room.sound('mic-1', 600, 8000);
    await room.wake('mic-1');
    await room.sound('mic-1', 500, 8000);
    await room.active('mic-1', false);
    await room.sound('mic-1', 100, 0);
    await room.answer([{ label: 'up', score: 0.3 }]);
    expect(room.types()).toEqual([STARTED]);
    await command('mic-1');
    await room.answer(ON);
    expect(room.types()).toEqual(RECOGNISED);
  });

  test('of a command with a short pause in it goes on', async () => {
    await open();
    await say('mic-1');
    await room.active('mic-1', true);
    await room.sound('mic-1', 300, 9000);
    await room.active('mic-1', false);
    await room.sound('mic-1', 40, 0);
    await room.active('mic-1', true);
    await room.sound('mic-1', 300, 9000);
    expect(room.clips).toHaveLength(0);
    await room.active('mic-1', false);
    await room.sound('mic-1', 100, 0);
    expect(room.clips).toHaveLength(1);
  });

  test.each([
    ['nothing is said', 'nothing-said', async () => room.sound('mic-1', 3000, 0)],
    ['the sound ends in silence', 'audio-lost', async () => room.pass(3000)],
    [
      'the sound ends in speech',
      'audio-lost',
      async () => {
        await room.active('mic-1', true);
        await room.sound('mic-1', 200, 9000);
        await room.pass(2000);
        await room.answer([{ label: '_unknown_', score: 0.8 }]);
      },
    ],
    [
      'speech does not end',
      'too-long',
      async () => {
        await room.active('mic-1', true);
        await room.sound('mic-1', 3000, 9000);
        await room.answer([{ label: '_unknown_', score: 0.8 }]);
      },
    ],
    [
      'the command is no word',
      'no-match',
      async () => {
        await command('mic-1');
        await room.answer([{ label: '_unknown_', score: 0.99 }]);
        await room.sound('mic-1', 500, 0);
      },
    ],
    [
      'the score is low',
      'no-match',
      async () => {
        await command('mic-1');
        await room.answer([{ label: 'on', score: 0.4 }]);
        await room.sound('mic-1', 500, 0);
      },
    ],
    [
      'the flow does not answer',
      'failed',
      async () => {
        await command('mic-1');
        await room.sound('mic-1', 4000, 0);
      },
    ],
    [
      'the flow fails',
      'failed',
      async () => {
        await command('mic-1');
        const error = { code: 'inference-failed', message: 'broken' };
        const clip = room.clips.at(-1)?.properties?.correlationData;
        await room.publish(
          'ledge/test/voice-command/dead-letter',
          { device: 'mic-1', error },
          clip,
        );
      },
    ],
    [
      'the flow drops it',
      'failed',
      async () => {
        await command('mic-1');
        const id = Buffer.from(room.clips.at(-1)?.properties?.correlationData ?? []);
        const events = [{ device: 'mic-1', correlationData: id.toString('base64') }];
        await room.publish('ledge/test/voice-command/dropped', { reason: 'overflow', events });
      },
    ],
  ])('where %s ends as not recognised', async (_, reason, act) => {
    await open();
    await say('mic-1');
    await act();
    expect(room.types()).toEqual(NOT_RECOGNISED);
    expect(last('not-recognised')).toMatchObject({ reason });
    expect(last('session-ended')).toMatchObject({ reason: 'not-recognised' });
  });

  test('without a flow of activity takes all sound to its limit as the command', async () => {
    await open();
    room.absent.add('voice-activity');
    await room.sound('mic-1', 500, 8000);
    await room.wake('mic-1');
    await room.sound('mic-1', 400, 9000);
    await room.sound('mic-1', 1600, 0);
    await room.answer(ON);
    expect(room.types()).toEqual(RECOGNISED);
  });

  test('of a word that no rule has tells the word, and no intent', async () => {
    await open({ intents: { off: { intent: 'HassTurnOff' } } });
    await say('mic-1');
    await command('mic-1');
    await room.answer(ON);
    expect(last('command')).toMatchObject({ label: 'on' });
    expect(last('command')).not.toHaveProperty('intent');
  });

  test('sends the message of a rule, with its place', async () => {
    const publish = { topic: 'house/{site}/light', payload: '{"in": "{room}"}' };
    await open({ intents: { on: { publish, response: 'Light' } } });
    const sent: string[] = [];
    await room.bus.subscribe('house/#', { qos: 1 }, (delivery) => {
      delivery.accept();
      sent.push(`${delivery.message.topic} ${Buffer.from(delivery.message.payload)}`);
      delivery.settle();
    });
    await say('mic-1');
    await command('mic-1');
    await room.answer(ON);
    expect(sent).toEqual(['house/kitchen/light {"in": "Kitchen"}']);
    expect(last('command')).toMatchObject({ response: 'Light' });
  });

  test('takes no answer to the clip of another', async () => {
    await open();
    await say('mic-1');
    await command('mic-1');
    const [clip] = room.clips;
    await room.answer(ON, { ...clip!, properties: { correlationData: Buffer.from('other') } });
    await room.answer(ON, { ...clip!, properties: {} });
    expect(room.types()).toEqual([STARTED]);
    await room.answer(ON);
    expect(room.types()).toEqual(RECOGNISED);
  });

  test('takes its answer from the response topic as well, once', async () => {
    await open();
    await say('mic-1');
    await command('mic-1');
    const { correlationData, responseTopic = '' } = room.clips[0]?.properties ?? {};
    const body = { device: 'mic-1', result: ON };
    await room.publish(responseTopic, body, correlationData);
    await room.answer(ON);
    expect(room.types()).toEqual(RECOGNISED);
  });
});

describe('several microphones', () => {
  test.each([
    ['of two that wake together the louder answers', 4000, 12_000, 'mic-2'],
    ['the first is the louder one', 12_000, 4000, 'mic-1'],
  ])('%s', async (_, first, second, answers) => {
    await open();
    await room.sound('mic-1', 1000, first);
    await room.sound('mic-2', 1000, second);
    await room.wake('mic-1');
    await room.pass(50);
    await room.wake('mic-2');
    expect(room.told).toEqual([]);
    await room.pass(200);
    await room.wake('mic-1');
    await room.wake('mic-2');
    await room.pass(200);
    expect(room.told).toMatchObject([{ type: STARTED, site: 'kitchen', device: answers }]);
    expect(room.log).toContainEqual({
      level: 'info',
      message: 'Another microphone heard it louder',
    });
  });

  test('of two sites that wake apart both have a session', async () => {
    await open();
    const both = ['mic-1', 'hall'];
    await room.sound(both, 1000, 8000);
    await room.wake('mic-1');
    await room.sound(both, 200, 8000);
    await room.wake('hall');
    await room.sound(both, 400, 9000);
    for (const device of both) await room.active(device, false);
    await room.sound(both, 100, 0);
    expect(room.clips.map(({ topic }) => topic)).toEqual([
      'ledge/in/command/mic-1',
      'ledge/in/command/hall',
    ]);
    await room.answer(ON, room.clips[1]);
    await room.answer(ON, room.clips[0]);
    expect(room.types('kitchen')).toEqual(RECOGNISED);
    expect(room.types('hall')).toEqual(RECOGNISED);
  });

  test('that no site names are sites of their own, except the clients of Wyoming', async () => {
    await open();
    await say('wyoming-1');
    await say('bath');
    await room.sound('bath', 200, 0);
    expect(room.told).toMatchObject([{ type: STARTED, site: 'bath', device: 'bath' }]);
  });
});

describe('a wake word', () => {
  test('within the refractory time is the same one', async () => {
    await open();
    await say('mic-1');
    await room.wake('mic-1');
    await room.wake('mic-2');
    await room.sound('mic-1', 200, 0);
    expect(room.types()).toEqual([STARTED]);
  });

  test('said again after it starts the session afresh', async () => {
    await open({ refractoryMs: 200 });
    await say('mic-1');
    await room.sound('mic-1', 500, 0);
    await room.wake('mic-1');
    await room.sound('mic-1', 200, 0);
    expect(room.types()).toEqual([STARTED, 'session-ended', STARTED]);
    expect(last('session-ended')).toMatchObject({ reason: 'cancelled' });
    await command('mic-1');
    await room.answer(ON);
    expect(room.types()).toEqual([STARTED, 'session-ended', ...RECOGNISED]);
  });

  test('while the command is being recognised is none', async () => {
    await open({ refractoryMs: 0 });
    await say('mic-1');
    await command('mic-1');
    await room.wake('mic-1');
    await room.sound('mic-1', 200, 0);
    await room.answer(ON);
    expect(room.types()).toEqual(RECOGNISED);
  });
});

describe('requests', () => {
  test('voice/listen opens a session without a wake word, one for a site', async () => {
    await open();
    await room.sound('mic-2', 200, 0);
    const answer = await room.request('voice/listen', { site: 'kitchen', requestId: 'r1' });
    expect(room.told).toMatchObject([
      { type: STARTED, trigger: 'request', requestId: 'r1', device: 'mic-2' },
    ]);
    expect(answer).toEqual({ site: 'kitchen', sessionId: room.told[0]?.sessionId });
    await expect(room.request('voice/listen', { site: 'kitchen' })).rejects.toMatchObject({
      code: 'unavailable',
    });
    await command('mic-2');
    await room.answer(ON);
    expect(room.types()).toEqual(RECOGNISED);
  });

  test('voice/listen waits for a microphone that says nothing yet', async () => {
    await open();
    await room.request('voice/listen', { site: 'hall' });
    await room.pass(1500);
    await command('hall');
    await room.answer(ON);
    expect(room.types()).toEqual(RECOGNISED);
  });

  test('voice/cancel ends the session', async () => {
    await open();
    await say('mic-1');
    const sessionId = room.told[0]?.sessionId;
    expect(await room.request('voice/cancel', { site: 'kitchen' })).toEqual({
      ...{ site: 'kitchen', sessionId },
    });
    expect(room.told.at(-1)).toMatchObject({ type: 'session-ended', reason: 'cancelled' });
    expect(await room.request('voice/cancel', { site: 'kitchen' })).toEqual({ site: 'kitchen' });
  });

  test('voice/set turns waking off and on', async () => {
    await open({ refractoryMs: 0 });
    await room.request('voice/set', { site: 'kitchen', enabled: false });
    await say('mic-1');
    expect(room.told).toEqual([]);
    await room.request('voice/set', { site: 'kitchen', enabled: true });
    await say('mic-1');
    expect(room.types()).toEqual([STARTED]);
  });

  test.each([
    ['voice/listen', { site: 'attic' }, /no site "attic", only: kitchen, hall/],
    ['voice/listen', {}, /site/],
    ['voice/set', { site: 'kitchen', enabled: 'yes' }, /enabled/],
    ['voice/not-me', {}, /site or sessionId/],
    ['voice/not-me', { site: 'kitchen' }, /no such wake/],
  ])('%s with %j is refused', async (name, body, why) => {
    await open();
    await expect(room.request(name, body)).rejects.toThrow(why);
  });

  test('are withdrawn when the sessions close', async () => {
    await open();
    await say('mic-1');
    await room.reopen();
    expect(room.told.at(-1)).toMatchObject({ type: 'session-ended', reason: 'cancelled' });
    expect(await room.request('voice/list')).toMatchObject({
      sites: [{ site: 'kitchen', room: 'Kitchen', devices: ['mic-1', 'mic-2'], enabled: true }, {}],
    });
  });
});
