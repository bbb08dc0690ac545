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
  const layers = Array.from({ length: groups.layers }, (_, layer) => layer);
  const steps = layers.flatMap((layer) => stepsOf(groups, layer, options));
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
  const sizes = createSizes(weights, 0);
  return all.map((_, group) => sizes.costOf(group));
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

interface Use {
  /** Of the constant, as it is now. */
  readonly dims: number[];
  readonly axis: number;
  places: number;
}

/** Parameters as groups go: a constant may lose places along several of its axes. */
function createSizes(weights: readonly Weights[], parameters: number) {
  const byConstant = new Map<string, number[]>();
  const uses = new Map<number, Use[]>();
  for (const { key, reading, axis, groupOf } of weights) {
    // A vector that layers share is told apart by the units along it.
    const name = reading.axes.length > 1 ? reading.name : key;
    const dims = byConstant.get(name) ?? reading.record.dims.map(Number);
    byConstant.set(name, dims);
    for (const group of groupOf) {
      if (group < 0) continue;
      const list = uses.get(group) ?? [];
      uses.set(group, list);
      const use = list.find((one) => one.dims === dims && one.axis === axis);
      if (use === undefined) list.push({ dims, axis, places: 1 });
      else use.places += 1;
    }
  }
  let total = parameters;
  const sizes = {
    total: () => total,
    remove(group: number): void {
      for (const { dims, axis, places } of uses.get(group) ?? []) {
        total -= places * elementCount(dims.filter((_, at) => at !== axis));
        dims[axis]! -= places;
      }
    },
    costOf(group: number): number {
      const before = total;
      sizes.remove(group);
      const cost = before - total;
      for (const { dims, axis, places } of uses.get(group) ?? []) dims[axis]! += places;
      total = before;
      return cost;
    },
  };
  return sizes;
}
