import { countOfRecord } from '../../onnx/constant.ts';
import { opsetOf, withFixedConstants } from '../../onnx/edit-model.ts';
import { constantsOf } from '../../onnx/graph.ts';
import { createGraphEditor } from '../../onnx/graph-editor.ts';
import { namesOf } from '../../onnx/names-within.ts';
import type { Graph, Model } from '../../onnx/proto.ts';
import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';
import type { Pass, PassContext, Tally } from '../pass.ts';
import { chooseGroups, costsOf } from '../prune/choose.ts';
import { cutGraph } from '../prune/cut.ts';
import { followGraph, quantisedNode } from '../prune/follow.ts';
import { measureGates } from '../prune/gates.ts';
import { type Groups, groupsOf, type Kind } from '../prune/groups.ts';
import { weightImportance } from '../prune/importance.ts';
import { createUnits } from '../prune/units.ts';
import { createWalk, FLOATS, type Walk } from '../prune/walk.ts';

/** The hand-off to fine-tuning. */
export const PRUNE_FILE = 'prune.json';

const KINDS = ['channels', 'heads', 'ffn'] as const;

const schema = z.strictObject({
  parameters: z
    .number()
    .min(0)
    .max(0.9)
    .default(0.4)
    .describe('Share of the parameters to remove, found by one ranking of all groups.'),
  importance: z
    .enum(['l1', 'l2', 'taylor', 'ablation'])
    .default('taylor')
    .describe(
      'Size of the weights, or change of the outputs as a group is closed a bit or wholly.',
    ),
  scope: z
    .array(z.enum(KINDS))
    .min(1)
    .default([...KINDS])
    .describe(
      'What may go: channels of convolutions, heads of attention, hidden units of products.',
    ),
  exclude: z
    .array(z.string())
    .default([])
    .describe('Names of nodes or of their weights whose outputs stay.'),
  keepMin: z.int().min(1).default(1).describe('Of every layer, so many groups stay.'),
  keepShareMin: z
    .number()
    .min(0)
    .max(1)
    .default(0.25)
    .describe('Of every layer, this share of its groups stays.'),
  multiple: z
    .int()
    .min(1)
    .max(64)
    .default(4)
    .describe('Widths are left at multiples of it, which kernels like; heads are counted singly.'),
  cache: z
    .boolean()
    .default(false)
    .describe('Whether caches among inputs and outputs may lose heads: their shapes change.'),
});

type Config = z.output<typeof schema>;

/** Channels, heads and hidden units that matter least go, and the tensors become smaller. */
export const prune: Pass<Config> = {
  name: 'prune',
  summary:
    'Channels, attention heads and FFN columns taken away: smaller tensors, to be fine-tuned',
  schema,
  apply: (model, config, { tally, context }) => pruned(model, config, { tally, context }),
};

interface Applying {
  readonly tally: Tally;
  readonly context: PassContext;
}

async function pruned(given: Model, config: Config, { tally, context }: Applying): Promise<Model> {
  const model = withFixedConstants(given);
  const graph = model.graph;
  if (graph === undefined) return given;
  refuseQuantised(graph);
  const scope = { constantOf: () => undefined, taken: namesOf(model) };
  const walk = createWalk(createGraphEditor(graph, scope), createUnits(), opsetOf(model));
  followGraph(graph, walk, config);
  const kinds = new Set<Kind>(config.scope);
  const groups = groupsOf(walk, { exclude: new Set(config.exclude), kinds });
  for (const { where, reason, units } of groups.left)
    tally.left(where, `${units} units: ${reason}`);
  const before = parametersOf(model);
  const importance = await importanceOf(groups, { model, walk, context, by: config.importance });
  const options = { ...config, share: config.parameters, importance, parameters: before };
  const choice = chooseGroups(groups, options);
  const roots = new Set([...choice.gone].map((group) => groups.all[group]!.root));
  const cut = cutGraph(walk, (root) => roots.has(root));
  const next = { ...model, graph: cut.graph };
  const after = parametersOf(next);
  tellGroups(groups, choice.gone, tally);
  tally.did('parameters before', before);
  tally.did('parameters after', after);
  if (choice.parameters > before * (1 - config.parameters)) {
    const gone = `${((1 - after / before) * 100).toFixed(1)} % of the parameters are gone`;
    tally.left('model', `${gone}, ${config.parameters * 100} % were asked: no more may go`);
  }
  const told = { parameters: { before, after }, initialisers: cut.initialisers };
  tally.file(PRUNE_FILE, `${JSON.stringify(told)}\n`);
  return roots.size === 0 ? given : next;
}

/** How far a gate is closed for a measured importance. */
const STEPS = { taylor: 0.05, ablation: 1 } as const;

interface Weighing {
  readonly model: Model;
  readonly walk: Walk;
  readonly context: PassContext;
  readonly by: Config['importance'];
}

async function importanceOf(
  groups: Groups,
  { model, walk, context, by }: Weighing,
): Promise<readonly number[]> {
  if (by === 'l1' || by === 'l2') return weightImportance(groups, by);
  const order = weightImportance(groups, 'l2');
  const options = { model, walk, context, step: STEPS[by], order };
  const changes = await measureGates(groups, options);
  // What a parameter of it is worth: those go first whose going harms least for what it frees.
  const costs = costsOf(groups);
  return changes.map((change, group) => change / Math.max(1, costs[group]!));
}

/** Constants of floats: what a training counts as parameters. */
function parametersOf(model: Model): number {
  let sum = 0;
  for (const record of constantsOf(model)) {
    if (FLOATS.has(record.dataType ?? 0)) sum += countOfRecord(record);
  }
  return sum;
}

function refuseQuantised(graph: Graph): void {
  const found = quantisedNode(graph);
  if (found === undefined) return;
  throw new LedgeError('unsupported', `Cannot prune the model: ${found}; prune before quantising`);
}

function tellGroups({ all }: Groups, gone: ReadonlySet<number>, tally: Tally): void {
  for (const kind of KINDS) {
    const of = [...all.keys()].filter((at) => all[at]!.kind === kind);
    tally.did(`groups of ${kind} found`, of.length);
    tally.did(`groups of ${kind} removed`, of.filter((at) => gone.has(at)).length);
  }
}
