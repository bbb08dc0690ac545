import { placeOf } from '../../onnx/names.ts';
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
  /** How many layers of groups there are. */
  readonly layers: number;
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
  for (const { axis, by } of found.made) {
    for (const root of new Set(axis.units?.map((unit) => units.rootOf(unit)))) {
      const old = kindByRoot.get(root);
      const product = heads.has(root) ? 'heads' : 'ffn';
      kindByRoot.set(root, by === 'convolution' || old === 'channels' ? 'channels' : product);
    }
  }
  const free = [...kindByRoot].filter(([root, kind]) => !pins.has(root) && kinds.has(kind));
  const index = new Map(free.map(([root], at) => [root, at]));
  const weights = weightsOf(found.readings, (unit) => index.get(units.rootOf(unit)) ?? -1);
  const layerOf = layersOf(weights, free.length);
  return {
    all: free.map(([root, kind], at) => ({ root, kind, layer: layerOf[at]! })),
    weights,
    layers: new Set(layerOf).size,
    left: leftOf(walk, { pins, kindByRoot, kinds }),
  };
}

function excludedOf({ found }: Walk, exclude: ReadonlySet<string>) {
  return found.made.flatMap(({ node, axis }) => {
    const name = [placeOf(node), node.inputs[1] ?? ''].find((one) => exclude.has(one));
    return name === undefined ? [] : [{ node, axis, name }];
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

/** Groups that live on the same axes are one layer's: the number of each one's layer. */
function layersOf(weights: readonly Weights[], count: number): readonly number[] {
  const signatures = Array.from({ length: count }, (): string[] => []);
  for (const { key, groupOf } of weights) {
    for (const group of new Set(groupOf)) if (group >= 0) signatures[group]!.push(key);
  }
  const known = new Map<string, number>();
  return signatures.map((keys) => {
    const signature = keys.join('\n');
    const layer = known.get(signature) ?? known.size;
    known.set(signature, layer);
    return layer;
  });
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
