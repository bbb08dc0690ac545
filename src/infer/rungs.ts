import type { LoadedModel, LoadedRung } from '../models/store.ts';
import { LedgeError, toLedgeError } from '../std/error.ts';
import type { Deployment } from './deployment.ts';
import type { PredictorRungs, RungWhy } from './predictor.ts';
import type { Request } from './request.ts';

/** One use of a deployment, to be given back. */
export interface Use {
  readonly deployment: Deployment;
  release(): Promise<void>;
}

/** The use that requests go to, and those before it that are not done. */
export interface UsedRungs extends PredictorRungs {
  readonly deployment: Deployment;
  /** Submits a request for the rung at work, counted until it is settled. Throws what `submit` throws. */
  submit(request: Request, submit: (counted: Request) => void): void;
  /** Gives everything back; no rung is taken up any more. */
  close(): Promise<void>;
}

export interface RungsOptions {
  readonly model: LoadedModel;
  /** Where it begins, and why there. */
  readonly at: number;
  readonly why: RungWhy;
  readonly first: Use;
  /** Loads a rung beside those that are loaded. Fails with LedgeError memory-exceeded, model-invalid. */
  take(rung: LoadedRung): Promise<Use>;
}

/** A use with the requests that it has not settled. */
interface Held {
  readonly use: Use;
  pending: number;
  idle: (() => void) | undefined;
}

/** Begins with one rung; others take its place without a request being lost. */
export function createRungs({ model, take, ...begin }: RungsOptions): UsedRungs {
  let { at, why } = begin;
  let held = hold(begin.first);
  let since = Date.now();
  let steps = 0;
  let refused: string | undefined;
  let last: Promise<unknown> = Promise.resolve();
  let closed = false;
  const leaving = new Set<Promise<void>>();

  async function change(to: number, cause: RungWhy): Promise<void> {
    if (closed) throw closedError(model);
    const rung = model.rungs[to];
    if (rung === undefined) throw new RangeError(`no rung at ${to}`);
    if (to !== at) {
      const next = await take(rung);
      if (closed) {
        await next.release();
        throw closedError(model);
      }
      leave(held);
      held = hold(next);
      at = to;
      steps += 1;
      since = Date.now();
    }
    why = cause;
    refused = undefined;
  }

  /** What was submitted ends where it is; then the rung is given back. */
  function leave(old: Held): void {
    const idle = new Promise<void>((resolve) => {
      old.idle = resolve;
      if (old.pending === 0) resolve();
    });
    const left = idle.then(() => old.use.release()).then(() => void leaving.delete(left));
    leaving.add(left);
  }

  return {
    models: model.rungs.map(({ identity }) => identity),
    best: begin.at,
    get at() {
      return at;
    },
    get why() {
      return why;
    },
    get since() {
      return since;
    },
    get steps() {
      return steps;
    },
    get refused() {
      return refused;
    },
    get deployment() {
      return held.use.deployment;
    },
    submit(request, submit) {
      const own = held;
      const settled = () => {
        own.pending -= 1;
        if (own.pending === 0) own.idle?.();
      };
      submit({
        ...request,
        resolve(outputs) {
          request.resolve(outputs);
          settled();
        },
        reject(error) {
          request.reject(error);
          settled();
        },
      });
      own.pending += 1;
    },
    move(to, cause) {
      const turn = last.then(() => change(to, cause));
      last = turn.catch((error: unknown) => {
        refused = toLedgeError(error).message;
      });
      return turn;
    },
    async close() {
      closed = true;
      await last;
      await Promise.all(leaving);
      await held.use.release();
    },
  };
}

function hold(use: Use): Held {
  return { use, pending: 0, idle: undefined };
}

function closedError({ identity }: LoadedModel): LedgeError {
  return new LedgeError('closed', `Cannot run model "${identity.name}": it was closed`);
}
