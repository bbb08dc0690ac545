import type { RungChange, StepLadder } from '../flow/ladder.ts';
import { AUTO } from '../models/manifest.ts';
import type { Clock } from '../std/clock.ts';
import { LedgeError, toLedgeError } from '../std/error.ts';
import { z } from '../std/schema.ts';
import type { NodeConfig } from './config.ts';
import type { Control } from './control.ts';
import type { FlowRunner } from './flow-runner.ts';
import type { Flows } from './flows.ts';
import {
  type DecisionLimits,
  type DecisionState,
  decide,
  startDecision,
} from './ladder-decision.ts';
import { createLadderMeter, type LadderMeter } from './ladder-meter.ts';
import type { Log } from './log.ts';

const flowAndRung = z.object({ name: z.string(), rung: z.string() });

export interface LaddersOptions {
  readonly config: NodeConfig['ladder'];
  /** Of the board; the configuration's own word goes first. */
  readonly throttleAtCelsius: number | undefined;
  readonly flows: Pick<Flows, 'runners'>;
  readonly control: Pick<Control, 'offer' | 'changed'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Of the hottest zone; undefined where the machine tells of none. */
  readCelsius(): Promise<number | undefined>;
}

/** A ladder of a flow at work, and what was seen of it. */
interface Watched {
  readonly flow: string;
  readonly ladder: StepLadder;
  readonly limits: DecisionLimits;
  readonly meter: LadderMeter;
  readonly first: RungChange;
  state: DecisionState;
  /** Moves that are not done, one after the other. */
  moves: number;
  last: Promise<unknown>;
  /** Changes that were not made since the last that was. */
  refusals: number;
  retryAtMs: number;
}

/**
 * Looks at heat, queues and deadlines, steps every flow down and up the ladders of its models, and
 * answers `flow/rung`. Events never wait for it.
 */
export function openLadders(options: LaddersOptions): { close(): void } {
  const { config, flows, control, clock, log } = options;
  let watched = new Map<StepLadder, Watched>();
  /** Rungs that were asked for, by flow: they hold over reloads. */
  const pins = new Map<string, string>();
  let looking = false;
  let closed = false;

  /** The ladders of all flows at work; those of flows that were reloaded begin anew. */
  function follow(): readonly (readonly [Watched, FlowRunner])[] {
    const before = watched;
    watched = new Map();
    return flows.runners().flatMap((runner) =>
      laddersIn(runner).map((ladder) => {
        const one = before.get(ladder) ?? begin(runner.plan.name, ladder);
        watched.set(ladder, one);
        return [one, runner] as const;
      }),
    );
  }

  function begin(flow: string, ladder: StepLadder): Watched {
    const limits = limitsOf(options, ladder);
    const { rungs } = ladder;
    const one: Watched = {
      ...{ flow, ladder, limits, meter: createLadderMeter(), first: rungs.why },
      ...{ state: startDecision(limits), moves: 0, last: Promise.resolve() },
      ...{ refusals: 0, retryAtMs: 0 },
    };
    if (rungs.why.cause === 'memory') {
      const fields = { flow, model: nameOf(ladder), rung: rungNow(ladder) };
      log.warn('A better rung does not fit', { ...fields, detail: rungs.why.detail });
    }
    const to = placeOf(ladder, pins.get(flow));
    if (to !== undefined) void change(one, to, ASKED).catch(() => undefined);
    return one;
  }

  async function look(): Promise<void> {
    if (looking || closed) return;
    looking = true;
    try {
      const all = follow();
      const celsius = all.length === 0 ? undefined : await options.readCelsius();
      for (const [one, runner] of all) if (!closed) step(one, runner, celsius);
    } finally {
      looking = false;
    }
  }

  function step(one: Watched, runner: FlowRunner, celsius: number | undefined): void {
    const { ladder, limits } = one;
    const nowMs = performance.now();
    const facts = { celsius, ...one.meter.read(runner, nowMs) };
    const fixed = config.stepping === 'fixed' || ladder.stepping === 'fixed';
    if (fixed || one.moves > 0 || pins.has(one.flow) || nowMs < one.retryAtMs) return;
    const { at, best, models } = ladder.rungs;
    const place = { at, best, last: models.length - 1 };
    const { state, move: next } = decide(one.state, facts, { limits, place, nowMs });
    one.state = state;
    if (next !== undefined) void change(one, next.to, next.why).catch(() => undefined);
  }

  /** Moves to another rung, after the moves before, and says so, or says why not. */
  function change(one: Watched, to: number, why: RungChange): Promise<void> {
    one.moves += 1;
    const turn = one.last.then(() => move(one, to, why));
    one.last = turn
      .catch(() => undefined)
      .then(() => {
        one.moves -= 1;
      });
    return turn;
  }

  async function move(one: Watched, to: number, why: RungChange): Promise<void> {
    const { flow, ladder } = one;
    const told = {
      model: nameOf(ladder),
      from: rungNow(ladder),
      to: ladder.rungs.models[to]?.rung,
    };
    try {
      await ladder.rungs.move(to, why);
      one.refusals = 0;
      one.meter.restart();
      const fields = { ...told, why: why.cause, ...(why.detail !== '' && { detail: why.detail }) };
      const loud = to > ladder.rungs.best ? log.warn : log.info;
      loud('Flow runs another rung of its model', { flow, ...fields });
      control.changed('flow-rung', flow, fields);
    } catch (error) {
      const { code, message } = toLedgeError(error);
      if (code === 'closed') return;
      refuse(one, { ...told, why: why.cause, error: message });
      throw error;
    }
  }

  /** Told once until a change is made; tried again after longer and longer. */
  function refuse(one: Watched, fields: Readonly<Record<string, unknown>>): void {
    const { downAfterMs, upAfterMsMax } = one.limits;
    one.refusals += 1;
    one.state = { ...one.state, climbedAtMs: undefined };
    const waitMs = Math.min(downAfterMs * 2 ** one.refusals, upAfterMsMax);
    one.retryAtMs = performance.now() + waitMs;
    if (one.refusals > 1) return;
    log.warn('Flow stays at its rung', { flow: one.flow, ...fields });
    control.changed('flow-rung-refused', one.flow, fields);
  }

  /** Answers `flow/rung`: a rung by its name, or `auto`. */
  async function pin(payload: unknown): Promise<object> {
    const { name, rung } = flowAndRung.parse(payload);
    const own = follow().flatMap(([one]) => (one.flow === name ? one : []));
    if (own.length === 0) {
      const text = `There is no flow "${name}" at work whose model has a ladder`;
      throw new LedgeError('not-found', text);
    }
    const auto = rung === AUTO;
    const chosen = auto ? own : own.filter(({ ladder }) => placeOf(ladder, rung) !== undefined);
    if (chosen.length === 0) {
      const known = own.flatMap(({ ladder }) => ladder.rungs.models.map((model) => model.rung));
      const text = `Flow "${name}" has no rung "${rung}", only ${known.join(', ')} and ${AUTO}`;
      throw new LedgeError('not-found', text);
    }
    const before = pins.get(name);
    if (auto) pins.delete(name);
    else pins.set(name, rung);
    try {
      for (const one of chosen) {
        const { ladder, limits } = one;
        one.state = startDecision(limits);
        one.retryAtMs = 0;
        await change(one, placeOf(ladder, rung) ?? ladder.rungs.best, auto ? one.first : ASKED);
      }
    } catch (error) {
      if (before === undefined) pins.delete(name);
      else pins.set(name, before);
      throw error;
    }
    return { name, rungs: chosen.map(({ ladder }) => rungNow(ladder)) };
  }

  const stopOffer = control.offer('flow/rung', pin);
  const stopLooking = clock.every(config.everySeconds * 1e3, () => {
    look().catch((error: unknown) => log.error('Cannot look at ladders', { error: String(error) }));
  });

  return {
    close() {
      closed = true;
      stopLooking();
      stopOffer();
    },
  };
}

const ASKED: RungChange = { cause: 'request', detail: '' };

/** The flow's own limits, else the node's, else the board's. */
function limitsOf(
  { config, throttleAtCelsius }: LaddersOptions,
  { limits }: StepLadder,
): DecisionLimits {
  return {
    throttleAtCelsius: limits.throttleAtCelsius ?? config.throttleAtCelsius ?? throttleAtCelsius,
    waitShareMax: limits.waitShareMax ?? config.waitShareMax,
    fillShareMax: limits.fillShareMax ?? config.fillShareMax,
    missedShareMax: limits.missedShareMax ?? config.missedShareMax,
    downAfterMs: (limits.downAfterSeconds ?? config.downAfterSeconds) * 1e3,
    upAfterMs: (limits.upAfterSeconds ?? config.upAfterSeconds) * 1e3,
    upAfterMsMax: (limits.upAfterSecondsMax ?? config.upAfterSecondsMax) * 1e3,
  };
}

function laddersIn({ plan }: FlowRunner): readonly StepLadder[] {
  return plan.steps.flatMap(({ compiled }) => compiled.ladder ?? []);
}

function nameOf({ rungs }: StepLadder): string | undefined {
  return rungs.models[0]?.name;
}

function rungNow({ rungs }: StepLadder): string | undefined {
  return rungs.models[rungs.at]?.rung;
}

function placeOf({ rungs }: StepLadder, name: string | undefined): number | undefined {
  const place = rungs.models.findIndex(({ rung }) => rung === name);
  return name === undefined || place < 0 ? undefined : place;
}
