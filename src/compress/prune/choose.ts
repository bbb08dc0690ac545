import { elementCount } from '../../tensor/tensor.ts';
import type { Groups, Weights } from './groups.ts';

export interface ChooseOptions {
  /** Of all parameters, how many shall go. */
  readonly share: number;
  readonly importance: readonly number[];
  /** Of each layer, so many groups stay, and this share of them. */
  readonly keepMin: number;
  readonly keepShareMin: number;
  /** Widths are left at whole multiples of it; heads are counted one by one. */
  readonly multiple: number;
  /** Parameters of the model, those that nothing can be taken from included. */
  readonly parameters: number;
}

export interface Choice {
  readonly gone: ReadonlySet<number>;
  readonly parameters: number;
}

/** Removes the least important groups of all layers until the share of parameters is gone. */
export function chooseGroups(groups: Groups, options: ChooseOptions): Choice {
  const { share, parameters } = options;
  const sizes = createSizes(groups.weights, parameters);
  const goal = parameters * (1 - share);
  const gone = new Set<number>();
  const steps = groups.layers.flatMap((_, layer) => stepsOf(groups, layer, options));
  steps.sort((a, b) => a.importance - b.importance);
  for (const { members } of steps) {
    if (sizes.total() <= goal) break;
    for (const group of members) {
      gone.add(group);
      sizes.remove(group);
    }
  }
  return { gone, parameters: sizes.total() };
}

/** How many parameters go with each group alone. */
export function costsOf({ all, weights }: Groups): readonly number[] {
  return all.map((_, group) => {
    const sizes = createSizes(weights, 0);
    sizes.remove(group);
    return -sizes.total();
  });
}

interface Step {
  readonly members: readonly number[];
  readonly importance: number;
}

/** What can go of a layer, the least important first, in steps that leave it at a multiple. */
function stepsOf(
  { all }: Groups,
  layer: number,
  { importance, keepMin, keepShareMin, multiple }: ChooseOptions,
): readonly Step[] {
  const members = [...all.keys()].filter((at) => all[at]!.layer === layer);
  members.sort((a, b) => importance[a]! - importance[b]!);
  const width = all[members[0]!]?.kind === 'heads' ? 1 : multiple;
  const floor = Math.max(1, keepMin, Math.ceil(members.length * keepShareMin));
  const steps: Step[] = [];
  let from = 0;
  let size = members.length % width || width;
  while (members.length - (from + size) >= floor) {
    const part = members.slice(from, from + size);
    const mean = part.reduce((sum, group) => sum + importance[group]!, 0) / size;
    // Never before what is less important in the same layer.
    steps.push({ members: part, importance: Math.max(mean, steps.at(-1)?.importance ?? 0) });
    from += size;
    size = width;
  }
  return steps;
}

/** Parameters as groups go: a constant may lose places along several of its axes. */
function createSizes(weights: readonly Weights[], parameters: number) {
  const byConstant = new Map<string, { readonly dims: number[]; readonly vectors: boolean }>();
  const uses = new Map<
    number,
    { readonly dims: number[]; readonly axis: number; places: number }[]
  >();
  for (const { key, reading, axis, groupOf } of weights) {
    // A vector that layers share is told apart by the units along it.
    const name = reading.axes.length > 1 ? reading.name : key;
    const known = byConstant.get(name) ?? { dims: reading.record.dims.map(Number), vectors: false };
    byConstant.set(name, known);
    for (const group of groupOf) {
      if (group < 0) continue;
      const list = uses.get(group) ?? [];
      uses.set(group, list);
      const use = list.find((one) => one.dims === known.dims && one.axis === axis);
      if (use === undefined) list.push({ dims: known.dims, axis, places: 1 });
      else use.places += 1;
    }
  }
  let total = parameters;
  return {
    total: () => total,
    remove(group: number): void {
      for (const { dims, axis, places } of uses.get(group) ?? []) {
        total -= places * elementCount(dims.filter((_, at) => at !== axis));
        dims[axis]! -= places;
      }
    },
  };
}
