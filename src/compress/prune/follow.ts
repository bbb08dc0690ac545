import { CONTRIBUTED } from '../../onnx/edit-model.ts';
import { subgraphsOf } from '../../onnx/graph.ts';
import { placeOf, readsOf } from '../../onnx/names.ts';
import { createNodeIndex } from '../../onnx/node-index.ts';
import type { Graph, Node, ValueInfo } from '../../onnx/proto.ts';
import { domainOf } from '../../onnx/summary.ts';
import { ATTENTION } from './attention.ts';
import { freeSize, known } from './extent.ts';
import { LAYERS } from './layers.ts';
import { MOVES } from './moves.ts';
import { PARTS } from './parts.ts';
import type { Rule, Rules } from './rules.ts';
import { SPREAD } from './spread.ts';
import type { Axes, Axis, Walk } from './walk.ts';
import { pinTies, WHOLES } from './wholes.ts';

const RULES: Rules = new Map([...SPREAD, ...LAYERS, ...MOVES, ...PARTS, ...ATTENTION]);
/** They take a shape; what their rules do not follow of it, they pin. */
const SHAPED = new Set(['Reshape', 'Expand', 'Resize']);
/** A cache of attention has a batch, heads, rows and a width, and may have a pair in front. */
const CACHE_RANK_MIN = 4;

export interface FollowOptions {
  /** Whether caches among inputs and outputs may have fewer heads. */
  readonly cache: boolean;
}

/** Follows the units through all nodes of a graph, from its inputs to its outputs. */
export function followGraph(graph: Graph, walk: Walk, { cache }: FollowOptions): void {
  const ours = (value: ValueInfo) => cache && isCache(value);
  for (const value of graph.inputs)
    walk.give(value.name ?? '', inputAxes(value, walk, ours(value)));
  for (const node of createNodeIndex(graph.nodes).sorted()) followNode(node, walk);
  for (const value of graph.outputs) {
    if (ours(value)) continue;
    const node = walk.editor.makerOf(value.name ?? '');
    if (node === undefined) continue;
    walk.pin(walk.axesOf(value.name ?? ''), node, `of the model's output ${value.name}`);
    pinTies([value.name ?? ''], node, walk);
  }
}

function isCache({ type }: ValueInfo): boolean {
  return (type?.tensor?.shape?.dims.length ?? 0) >= CACHE_RANK_MIN;
}

function inputAxes(value: ValueInfo, walk: Walk, open: boolean): Axes {
  const why = `of the model's input ${value.name}`;
  return statedAxes(value, walk)?.map((axis): Axis => {
    const { count, free } = axis.size;
    if (!open || free.length > 0 || count < 2) return { ...axis, why };
    return { size: axis.size, units: walk.units.fresh(count) };
  });
}

function statedAxes(value: ValueInfo | undefined, walk: Walk): Axes {
  return value?.type?.tensor?.shape?.dims.map(({ size, symbol }): Axis => {
    if (size !== undefined && size >= 0n) return { size: known(Number(size)) };
    const named = symbol !== undefined && symbol !== '';
    return { size: named ? freeSize(symbol) : walk.unknownSize() };
  });
}

function followNode(node: Node, walk: Walk): void {
  const rule = ruleOf(node);
  const read = new Set<number>();
  const noting: Walk = {
    ...walk,
    axes(one, at) {
      read.add(at);
      return walk.axes(one, at);
    },
  };
  const outputs = rule?.(node, noting) ?? [];
  for (const [at, name] of node.outputs.entries()) {
    if (name === '') continue;
    const why = `what ${node.operator} gives`;
    const stated = () =>
      statedAxes(walk.editor.infoOf(name), walk)?.map((axis) => ({ ...axis, why }));
    walk.give(name, outputs[at] ?? stated());
  }
  const reason =
    rule === undefined
      ? `${node.operator} is not followed`
      : `${node.operator} takes it where it is not followed`;
  for (const at of node.inputs.keys()) {
    if (!read.has(at)) walk.pin(walk.axes(node, at), node, reason);
  }
  const inner = subgraphsOf(node).length === 0 ? [] : readsOf(node);
  for (const name of inner) walk.pin(walk.axesOf(name), node, 'a graph inside a node reads it');
  const own = domainOf(node.domain) === '';
  const whole = own ? WHOLES.get(node.operator ?? '') : undefined;
  const sizes = whole?.(node, walk);
  walk.giveWholes(node.outputs[0] ?? '', sizes);
  const followed = own && (sizes !== undefined || SHAPED.has(node.operator ?? ''));
  if (!followed) pinTies(node.inputs, node, walk);
}

function ruleOf(node: Node): Rule | undefined {
  const domain = domainOf(node.domain);
  return domain === '' || domain === CONTRIBUTED ? RULES.get(node.operator ?? '') : undefined;
}

/** The node that makes a model a quantised one, where there is one: its scales belong to the old channels. */
export function quantisedNode(graph: Graph): string | undefined {
  const found = graph.nodes.find(({ operator = '' }) =>
    /Quantize|Integer|QLinear|QAttention|NBits/.test(operator),
  );
  return found && `${placeOf(found)} is ${found.operator}`;
}
