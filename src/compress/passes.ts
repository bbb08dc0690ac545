import { z } from '../std/schema.ts';
import { type CompiledPass, compilePass, type Pass } from './pass.ts';
import { int4Block, int8Block } from './passes/block.ts';
import { fold } from './passes/fold.ts';
import { fp16 } from './passes/fp16.ts';
import { fuse } from './passes/fuse.ts';
import { int8Dynamic } from './passes/int8-dynamic.ts';
import { int8Static } from './passes/int8-static.ts';
import { prune } from './passes/prune.ts';
import { share } from './passes/share.ts';

/** A pass as a recipe names it: its schema, and how a configuration of it becomes work. */
interface Registered {
  readonly summary: string;
  readonly schema: z.ZodType;
  readonly compile: (config: unknown) => CompiledPass;
}

function register<C>(pass: Pass<C>): readonly [string, Registered] {
  const { name, summary, schema } = pass;
  return [name, { summary, schema, compile: (config) => compilePass(pass, schema.parse(config)) }];
}

/** Every pass by its name. */
export const PASSES: ReadonlyMap<string, Registered> = new Map([
  register(fold),
  register(fuse),
  register(share),
  register(int8Dynamic),
  register(int8Static),
  register(int8Block),
  register(int4Block),
  register(fp16),
  register(prune),
]);

/** One pass with its configuration: exactly one of the names. */
export const passEntrySchema = z
  .strictObject(
    Object.fromEntries([...PASSES].map(([name, { schema }]) => [name, schema.optional()])),
  )
  .refine((entry) => Object.keys(entry).length === 1, { error: 'one pass with its configuration' });

/** The work of a recipe's entry, which was parsed already. */
export function compileEntry(entry: Readonly<Record<string, unknown>>): CompiledPass {
  const [[name, config] = ['', undefined]] = Object.entries(entry);
  const pass = PASSES.get(name);
  if (pass === undefined) throw new TypeError(`There is no pass ${name}`);
  return pass.compile(config);
}
