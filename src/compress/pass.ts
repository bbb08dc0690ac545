import type { InputPart } from '../infer/protocol.ts';
import type { Model } from '../onnx/proto.ts';
import type { z } from '../std/schema.ts';

/** What a pass did, and what it left as it was. */
export interface PassReport {
  readonly pass: string;
  /** How often, by what was done. */
  readonly done: Readonly<Record<string, number>>;
  readonly left: readonly LeftOut[];
}

/** A place that a pass could not or would not change. */
export interface LeftOut {
  /** The node or constant, as the file names it. */
  readonly where: string;
  readonly reason: string;
}

/** What passes that look at the numbers inside a model may ask for. */
export interface PassContext {
  /** Inputs to run the model on: recorded ones, or made. */
  readonly samples: readonly (readonly InputPart[])[];
  /** A folder of the run, for models that are made to be measured. */
  readonly folder: string;
}

export interface PassResult {
  readonly model: Model;
  readonly report: PassReport;
  /** Texts to stand beside the model, by the names of their files. */
  readonly files: ReadonlyMap<string, string>;
}

/** A pass with its configuration: a model goes in, another comes out, neither is changed. */
export type CompiledPass = (model: Model, context: PassContext) => Promise<PassResult>;

/** One way to make a model smaller or faster. */
export interface Pass<C> {
  readonly name: string;
  readonly summary: string;
  readonly schema: z.ZodType<C>;
  readonly apply: (
    model: Model,
    config: C,
    options: { readonly tally: Tally; readonly context: PassContext },
  ) => Model | Promise<Model>;
}

/** Counts what a pass does while it does it. */
export interface Tally {
  did(what: string, times?: number): void;
  left(where: string, reason: string): void;
  /** Gives a text to stand beside the model. */
  file(name: string, text: string): void;
}

/** A pass whose configuration was parsed already. */
export function compilePass<C>(pass: Pass<C>, config: C): CompiledPass {
  return async (model, context) => {
    const done: Record<string, number> = {};
    const left: LeftOut[] = [];
    const files = new Map<string, string>();
    const tally: Tally = {
      did(what, times = 1) {
        if (times > 0) done[what] = (done[what] ?? 0) + times;
      },
      left(where, reason) {
        left.push({ where, reason });
      },
      file: (name, text) => void files.set(name, text),
    };
    const next = await pass.apply(model, config, { tally, context });
    return { model: next, report: { pass: pass.name, done, left }, files };
  };
}
