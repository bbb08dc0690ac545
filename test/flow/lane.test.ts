import { describe, expect, test } from 'vitest';
import { createEvent } from '../../src/flow/case.ts';
import { openLane, type PlanStep } from '../../src/flow/lane.ts';
import { emit, HOLD, type Outcome, type Step } from '../../src/flow/stage.ts';
import type { Value } from '../../src/flow/value.ts';
import { LedgeError } from '../../src/std/error.ts';

const result = (name: string): Value => ({ kind: 'result', result: { name } });

function planStep(
  scope: 'shared' | 'device',
  run: Step['run'],
  more: Partial<PlanStep> = {},
): PlanStep {
  return {
    stage: 'test',
    phase: 'infer',
    compiled: { scope, output: { kind: 'result', of: 'values' }, open: () => ({ run }) },
    from: undefined,
    as: undefined,
    count: { calls: 0, totalMs: 0 },
    ...more,
  };
}

const laneOf = (...steps: PlanStep[]) =>
  openLane(steps, [], {
    restore: {},
    onStateRefused(place) {
      throw new Error(place);
    },
  });

const event = (name: string) =>
  createEvent({ device: 'd', topic: name, payload: Buffer.from(name), ts: 0 });

const nameOf = (value: Value) =>
  value.kind === 'bytes' ? Buffer.from(value.bytes).toString() : '';

/** A step whose answers come when the test says so. */
function gated() {
  const started: string[] = [];
  const finish = new Map<string, (outcome: Outcome) => void>();
  const run: Step['run'] = (value) => {
    const name = nameOf(value);
    started.push(name);
    return new Promise((resolve) => finish.set(name, resolve));
  };
  return {
    started,
    run,
    end(name: string) {
      finish.get(name)?.(emit(result(name)));
    },
  };
}

describe('lane', () => {
  test('results keep arrival order when a later event is ready first', async () => {
    const { run, end, started } = gated();
    const lane = laneOf(planStep('shared', run));
    const order: string[] = [];
    const runs = ['a', 'b', 'c'].map(async (name) => {
      const outcome = await lane.process(event(name));
      order.push(String(outcome.results[0]?.result.name));
    });
    expect(started).toEqual(['a', 'b', 'c']);
    for (const name of ['c', 'b', 'a']) end(name);
    await Promise.all(runs);
    expect(order).toEqual(['a', 'b', 'c']);
  });

  test('a step with state runs one event after the other', async () => {
    const { run, end, started } = gated();
    const lane = laneOf(planStep('device', run));
    const runs = ['a', 'b'].map((name) => lane.process(event(name)));
    expect(started).toEqual(['a']);
    end('a');
    await runs[0];
    expect(started).toEqual(['a', 'b']);
    end('b');
    expect((await runs[1])?.results).toHaveLength(1);
  });

  test('an event that fails at once does not overtake, and harms no other', async () => {
    const slow = gated();
    const lane = laneOf(
      planStep('shared', (value, context) => {
        if (nameOf(value) === 'bad') throw new LedgeError('payload-invalid', 'bad');
        return slow.run(value, context);
      }),
    );
    const order: string[] = [];
    const follow = (name: string) =>
      lane.process(event(name)).then(({ end }) => order.push(`${name} ${end.kind}`));
    const runs = [follow('a'), follow('bad'), follow('c')];
    slow.end('c');
    slow.end('a');
    await Promise.all(runs);
    expect(order).toEqual(['a done', 'bad fail', 'c done']);
  });

  test('windows of one event go on in order, and a hold gives no result', async () => {
    const split = planStep('shared', () => ({
      kind: 'emit-many',
      values: ['1', '2', '3'].map((text) => ({ kind: 'bytes', bytes: Buffer.from(text) })),
    }));
    const { run, end } = gated();
    const lane = laneOf(
      split,
      planStep('shared', (value, context) => (nameOf(value) === '2' ? HOLD : run(value, context))),
    );
    const whole = lane.process(event('clip'));
    end('3');
    end('1');
    const { results } = await whole;
    expect(results.map(({ result: { name } }) => name)).toEqual(['1', '3']);
    expect(lane.inFlight).toBe(0);
  });

  test('a drop of one window does not hide the results of the others', async () => {
    const split = planStep('shared', () => ({
      kind: 'emit-many',
      values: ['1', '2'].map((text) => ({ kind: 'bytes', bytes: Buffer.from(text) })),
    }));
    const lane = laneOf(
      split,
      planStep('shared', (value) =>
        nameOf(value) === '1' ? { kind: 'drop', reason: 'filtered' } : emit(result('2')),
      ),
    );
    const outcome = await lane.process(event('clip'));
    expect(outcome.end.kind).toBe('done');
    expect(outcome.results).toHaveLength(1);
  });

  test('a stored value reaches a later step by name', async () => {
    const lane = laneOf(
      planStep('shared', () => emit({ kind: 'text', text: 'kept' }), { as: 'first' }),
      planStep('shared', () => emit({ kind: 'text', text: 'other' })),
      planStep(
        'shared',
        (value, context) => {
          const seen = [value, context.named('first')].map(
            (one) => one?.kind === 'text' && one.text,
          );
          return emit({ kind: 'result', result: { seen } });
        },
        { from: 'first' },
      ),
    );
    const { results } = await lane.process(event('x'));
    expect(results[0]?.result).toEqual({ seen: ['kept', 'kept'] });
  });

  test('state that a step refuses is told, and the step starts afresh', () => {
    const refused: string[] = [];
    const open = () => ({
      run: () => HOLD,
      restore() {
        throw new Error('of another version');
      },
      snapshot: () => ({ fresh: true }),
    });
    const step = planStep('device', () => HOLD);
    const lane = openLane([{ ...step, compiled: { ...step.compiled, open } }], [], {
      restore: { '0-test': { old: true } },
      onStateRefused: (place) => refused.push(place),
    });
    expect(refused).toEqual(['0-test']);
    expect(lane.snapshot()).toEqual({ '0-test': { fresh: true } });
  });
});
