import { describe, expect, test } from 'vitest';
import { createLadderMeter, type Metered } from '../../src/node/ladder-meter.ts';
import { createCounts } from '../../src/node/wire.ts';

type Intake = Metered['loaded']['intake'];

const INTAKE = { queueEventsMax: 100, queueBytesMax: 1_000, deadlineMs: 2_000 } as Intake;

const runner = (more: Partial<Metered> = {}): Metered => ({
  counts: createCounts(),
  queued: { events: 0, bytes: 0 },
  waitingMs: 0,
  loaded: { intake: INTAKE },
  ...more,
});

describe('a meter', () => {
  test.each([
    ['events', { events: 25, bytes: 0 }, 0.25],
    ['bytes', { events: 25, bytes: 600 }, 0.6],
    ['publishers that are held back as well', { events: 300, bytes: 0 }, 3],
  ])('tells how full the queue is by %s', (_, queued, fillShare) => {
    expect(createLadderMeter().read(runner({ queued }), 0)).toMatchObject({ fillShare });
  });

  test('tells which part of the deadline the next event has waited, where there is one', () => {
    const meter = createLadderMeter();
    expect(meter.read(runner({ waitingMs: 500 }), 0).waitShare).toBe(0.25);
    const { deadlineMs: _, ...rest } = INTAKE;
    const intake = { ...rest, deadlineMs: undefined };
    expect(meter.read(runner({ waitingMs: 500, loaded: { intake } }), 0).waitShare).toBe(0);
  });

  /** Events so far, of which so many were too late; and what the meter says at that moment. */
  const story = (meter = createLadderMeter()) => {
    return (atMs: number, emitted: number, expired: number) => {
      const counts = { ...createCounts(), emitted, dropped: { expired, superseded: 1_000 } };
      return meter.read(runner({ counts }), atMs).missedShare;
    };
  };

  test('tells the part that missed the deadline within the last ten seconds', () => {
    const at = story();
    expect(at(0, 100, 50)).toBe(0);
    expect(at(1_000, 109, 51)).toBe(0.1);
    expect(at(2_000, 118, 52)).toBe(0.1);
    for (let seconds = 3; seconds < 12; seconds += 1) at(seconds * 1e3, 118 + 10 * seconds, 52);
    expect(at(13_000, 300, 52)).toBe(0);
  });

  test('makes nothing of a few events', () => {
    const at = story();
    at(0, 0, 0);
    expect(at(1_000, 1, 3)).toBe(0);
    expect(at(2_000, 2, 3)).toBe(0.6);
  });

  test('begins anew when another rung is at work', () => {
    const meter = createLadderMeter();
    const at = story(meter);
    at(0, 0, 0);
    expect(at(1_000, 10, 10)).toBe(0.5);
    meter.restart();
    expect(at(2_000, 20, 10)).toBe(0);
    expect(at(3_000, 30, 10)).toBe(0);
  });
});
