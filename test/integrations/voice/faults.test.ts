import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ANSWER_MS_MAX, LATE_MS } from '../../../src/integrations/voice/session.ts';
import { openVoiceRoom, settle, type Told, type VoiceRoom } from './voice-room.ts';

const NOTHING_SAID_MS = 1000;
const COMMAND_MS_MAX = 1000;
/** What docs/voice.md promises of the longest session. */
const SESSION_MS_MAX = NOTHING_SAID_MS + COMMAND_MS_MAX + ANSWER_MS_MAX + 3 * LATE_MS;
const DEVICES = ['mic-1', 'mic-2', 'hall'] as const;

/** What may happen to one chunk of sound, and what the flows say of it. */
const step = fc.record({
  device: fc.constantFrom(...DEVICES),
  fate: fc.constantFrom('sent', 'sent', 'sent', 'lost', 'twice', 'later'),
  pauseMs: fc.constantFrom(0, 20, 20, 100, 700, 2500),
  flow: fc.constantFrom(
    'none',
    'none',
    'wake',
    'wake',
    'active',
    'quiet',
    'answer',
    'dead',
    'listen',
  ),
  correlated: fc.boolean(),
});

type Step = typeof step extends fc.Arbitrary<infer One> ? One : never;

async function play(room: VoiceRoom, steps: readonly Step[]): Promise<void> {
  const sequence = new Map<string, number>();
  const waiting: { device: string; number: number }[] = [];
  const send = ({ device, number }: { device: string; number: number }) =>
    room.chunk(device, new Int16Array(320).fill(5000), number);
  for (const { device, fate, pauseMs, flow, correlated } of steps) {
    room.clock.advance(pauseMs);
    const number = sequence.get(device) ?? 0;
    sequence.set(device, number + 1);
    if (fate === 'sent' || fate === 'twice') await send({ device, number });
    if (fate === 'twice') await send({ device, number });
    if (fate === 'later') waiting.push({ device, number });
    else for (const one of waiting.splice(0)) await send(one);
    const clip = room.clips.at(-1);
    const id = correlated ? clip?.properties?.correlationData : undefined;
    if (flow === 'wake') await room.wake(device);
    if (flow === 'active' || flow === 'quiet') await room.active(device, flow === 'active');
    if (flow === 'answer') await room.answer([{ label: 'on', score: 0.9 }], clip);
    if (flow === 'dead') {
      const error = { code: 'internal', message: 'broken' };
      await room.publish('ledge/test/voice-command/dead-letter', { device, error }, id);
    }
    if (flow === 'listen')
      await room.request('voice/listen', { site: 'hall' }).catch(() => undefined);
  }
}

/** Fails where a site had two sessions at once, or one was open for too long. */
function check(told: readonly Told[]): void {
  const open = new Map<string, Told>();
  for (const one of told) {
    const there = open.get(one.site);
    if (one.type === 'session-started') {
      expect(there).toBeUndefined();
      open.set(one.site, one);
    } else {
      expect(there?.sessionId).toBe(one.sessionId);
      expect(Number(one.ts) - Number(there?.ts)).toBeLessThanOrEqual(SESSION_MS_MAX);
    }
    if (one.type === 'session-ended') open.delete(one.site);
  }
  expect([...open.values()]).toEqual([]);
}

test('whatever is lost, late or twice, a site has one session, and each ends in its time', async () => {
  let sessions = 0;
  let commands = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
      await using room = await openVoiceRoom({
        sites: { kitchen: { devices: ['mic-1', 'mic-2'] } },
        ...{ nothingSaidMs: NOTHING_SAID_MS, commandMsMax: COMMAND_MS_MAX, refractoryMs: 100 },
      });
      await play(room, steps);
      room.clock.advance(SESSION_MS_MAX);
      await settle();
      check(room.told);
      sessions += room.types().filter((type) => type === 'session-started').length;
      commands += room.types().filter((type) => type === 'command').length;
      const list = await room.request('voice/list');
      expect(JSON.stringify(list)).not.toContain('sessionId');
    }),
    { numRuns: 60 },
  );
  // The steps do lead to what they are about.
  expect(sessions).toBeGreaterThan(60);
  expect(commands).toBeGreaterThan(5);
}, 30_000);
