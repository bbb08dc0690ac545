import { placeOf } from '../../onnx/names.ts';
import { elementCount } from '../../tensor/tensor.ts';
import type { Pin } from './units.ts';
import type { Reading, Walk } from './walk.ts';

export type Kind = 'channels' | 'heads' | 'ffn';

/** One axis of one constant, and the group of each place along it. */
export interface Weights {
  readonly key: string;
  readonly reading: Reading;
  readonly axis: number;
  /** Index of a group for each place; -1 where it stays. */
  readonly groupOf: Int32Array;
}

/** What is taken away or left as a whole: the same places of some axes of some constants. */
export interface Group {
  readonly root: number;
  readonly kind: Kind;
  /** Groups of equal layers are alternatives to each other: they have the same number. */
  readonly layer: number;
}

/** What can be pruned of a graph, and what cannot and why. */
export interface Groups {
  readonly all: readonly Group[];
  readonly weights: readonly Weights[];
  /** What each layer of groups is called, by the weights that make it. */
  readonly layers: readonly string[];
  readonly left: readonly (Pin & { readonly units: number })[];
}

export interface GroupOptions {
  readonly exclude: ReadonlySet<string>;
  readonly kinds: ReadonlySet<Kind>;
}

/** Gathers the sets of units that hold weights, are made by a layer and are free to go. */
export function groupsOf(walk: Walk, { exclude, kinds }: GroupOptions): Groups {
  const { units, found } = walk;
  for (const { node, axis, name } of excludedOf(walk, exclude)) {
    walk.pin([axis], node, `${name} is excluded by the recipe`);
  }
  const pins = units.pinsByRoot();
  const heads = new Set([...found.heads].map((unit) => units.rootOf(unit)));
  const kindByRoot = new Map<number, Kind>();
  const makers = new Map<number, string[]>();
  for (const { node, axis, by } of found.made) {
    for (const root of new Set(axis.units?.map((unit) => units.rootOf(unit)))) {
      const old = kindByRoot.get(root);
      const product = heads.has(root) ? 'heads' : 'ffn';
      kindByRoot.set(root, by === 'convolution' || old === 'channels' ? 'channels' : product);
      makers.set(root, [...(makers.get(root) ?? []), placeOf(node)]);
    }
  }
  const free = [...kindByRoot].filter(([root, kind]) => !pins.has(root) && kinds.has(kind));
  const index = new Map(free.map(([root], at) => [root, at]));
  const weights = weightsOf(found.readings, (unit) => index.get(units.rootOf(unit)) ?? -1);
  const { layerOf, names } = layersOf(weights, free.length, (at) => makers.get(free[at]![0]) ?? []);
  return {
    all: free.map(([root, kind], at) => ({ root, kind, layer: layerOf[at]! })),
    weights,
    layers: names,
    left: leftOf(walk, { pins, kindByRoot, kinds }),
  };
}

function excludedOf({ found }: Walk, exclude: ReadonlySet<string>) {
  const weights = new Map(found.made.map((made) => [made, made.node.inputs[1] ?? '']));
  return found.made
    .map((made) => ({ ...made, name: [placeOf(made.node), weights.get(made)!] }))
    .flatMap(({ name, ...made }) => {
      const listed = name.find((one) => exclude.has(one));
      return listed === undefined ? [] : [{ ...made, name: listed }];
    });
}

function weightsOf(
  readings: readonly Reading[],
  groupOf: (unit: number) => number,
): readonly Weights[] {
  const found: Weights[] = [];
  const seen = new Set<string>();
  for (const reading of readings) {
    for (const [axis, { units }] of reading.axes.entries()) {
      if (units === undefined) continue;
      // A constant that is read twice is the same numbers twice; vectors have units of their own.
      const key = `${reading.name} ${axis} ${units[0]}`;
      const groups = units.map(groupOf);
      if (seen.has(key) || groups.every((group) => group < 0)) continue;
      seen.add(key);
      found.push({ key, reading, axis, groupOf: groups });
    }
  }
  return found;
}

/** Groups that live on the same axes are one layer's; its name is that of the nodes that make it. */
function layersOf(
  weights: readonly Weights[],
  count: number,
  makersOf: (group: number) => readonly string[],
) {
  const signatures = Array.from({ length: count }, (): string[] => []);
  for (const { key, groupOf } of weights) {
    for (const group of new Set(groupOf)) if (group >= 0) signatures[group]!.push(key);
  }
  const known = new Map<string, number>();
  const names: string[] = [];
  const layerOf = signatures.map((keys, group) => {
    const signature = keys.join('\n');
    const old = known.get(signature);
    if (old !== undefined) return old;
    known.set(signature, names.length);
    names.push(makersOf(group).join(' + '));
    return names.length - 1;
  });
  return { layerOf, names };
}

interface Leaving {
  readonly pins: ReadonlyMap<number, Pin>;
  readonly kindByRoot: ReadonlyMap<number, Kind>;
  readonly kinds: ReadonlySet<Kind>;
}

/** Each layer of which anything stays, with the first reason. */
function leftOf({ found, units }: Walk, { pins, kindByRoot, kinds }: Leaving): Groups['left'] {
  return found.made.flatMap(({ node, axis }) => {
    const where = placeOf(node);
    if (axis.units === undefined) return [];
    const roots = [...axis.units].map((unit) => units.rootOf(unit));
    const pinned = roots.filter((root) => pins.has(root));
    const [first] = pinned;
    if (first !== undefined) {
      const pin = pins.get(first)!;
      const by = pin.where === where ? '' : ` (at ${pin.where})`;
      return [{ where, reason: `${pin.reason}${by}`, units: pinned.length }];
    }
    const kind = kindByRoot.get(roots[0]!)!;
    if (kinds.has(kind)) return [];
    return [{ where, reason: `${kind} are not in the recipe's scope`, units: roots.length }];
  });
}

/** How many numbers a constant holds. */
export function parametersOf({ record }: Reading): number {
  return elementCount(record.dims.map(Number));
}
