import { opsetOf, withFixedConstants } from '../../onnx/edit-model.ts';
import { placeOf } from '../../onnx/names.ts';
import type { Model } from '../../onnx/proto.ts';
import { z } from '../../std/schema.ts';
import { calibrate } from '../calibrate.ts';
import type { Pass, PassContext, Tally } from '../pass.ts';
import { insertQuantisation, quantisableNodes, valuesOfNodes } from '../quantise-nodes.ts';
import { barrierToOpset10, raiseToOpset10 } from '../raise-opset.ts';
import { leaveSensitive } from '../sensitive-layers.ts';

/** The version of ONNX's operators that has the quantised ones the runtime makes of ours. */
const OPSET_MIN = 10;

const schema = z.strictObject({
  calibration: z
    .enum(['min-max', 'percentile', 'entropy', 'mse'])
    .default('min-max')
    .describe('How the range of a value is found.'),
  percentile: z
    .number()
    .gt(50)
    .max(100)
    .default(99.99)
    .describe('Share of the numbers that the range holds, for that calibration.'),
  weightBits: z
    .union([z.literal(7), z.literal(8)])
    .default(8)
    .describe('7 for x86 processors without VNNI, whose sums of pairs 8 bits overflow.'),
  sqnrDbMin: z
    .number()
    .default(0)
    .describe('Budget: the most sensitive layers are left until the outputs reach it.'),
  exclude: z.array(z.string()).default([]).describe('Names of nodes to leave as they are.'),
});

type Config = z.output<typeof schema>;

/** Weights and activations of nets of Conv, MatMul and Gemm in 8 bits, by ranges seen on samples. */
export const int8Static: Pass<Config> = {
  name: 'int8-static',
  summary: 'Conv, MatMul and Gemm nets in 8 bits with ranges from samples (QDQ)',
  schema,
  apply: (model, config, { tally, context }) => quantise(model, config, { tally, context }),
};

async function quantise(
  given: Model,
  config: Config,
  { tally, context }: { readonly tally: Tally; readonly context: PassContext },
): Promise<Model> {
  const fixed = withFixedConstants(given);
  const old = opsetOf(fixed) < OPSET_MIN;
  const barrier = old ? barrierToOpset10(fixed) : undefined;
  if (barrier !== undefined) {
    const state = `operators of version ${opsetOf(fixed)}, ${OPSET_MIN} are needed`;
    tally.left('model', `${state}, and ${barrier}`);
    return given;
  }
  const model = old ? raiseToOpset10(fixed) : fixed;
  const found = quantisableNodes(model);
  const nodes = quantisableNodes(model, config.exclude);
  for (const node of found) {
    if (nodes.includes(node)) continue;
    const named = config.exclude.includes(placeOf(node));
    tally.left(placeOf(node), named ? 'excluded by the recipe' : 'what it reads is excluded');
  }
  const { calibration: method, percentile } = config;
  const values = valuesOfNodes(model, nodes);
  const ranges = await calibrate(model, values, { context, method, percentile });
  const build = (left: ReadonlySet<string>) =>
    insertQuantisation(model, {
      ranges,
      names: nodes.map(({ outputs }) => outputs[0] ?? '').filter((name) => !left.has(name)),
      weightBits: config.weightBits,
    });
  const options = { nodes, build, context, sqnrDbMin: config.sqnrDbMin };
  const left = await leaveSensitive(model, options, tally);
  const kept = nodes.filter((node) => !left.has(node.outputs[0] ?? ''));
  for (const { operator } of kept) tally.did(`${operator} in 8 bits`);
  return kept.length === 0 ? given : build(left);
}
