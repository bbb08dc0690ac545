import { subgraphsOf } from './graph.ts';
import type { Attribute, Graph, Model, Node } from './proto.ts';

/** The node reading `to` wherever it read `from`, its subgraphs included. */
export function renameReads(node: Node, from: string, to: string): Node {
  const inputs = node.inputs.map((name) => (name === from ? to : name));
  const attributes = mapSubgraphs(node.attributes, (graph) => renameWithin(graph, from, to));
  return { ...node, inputs, attributes };
}

/** The same attributes with each of their graphs put through `change`. */
export function mapSubgraphs(
  attributes: readonly Attribute[],
  change: (graph: Graph) => Graph,
): readonly Attribute[] {
  let changed = false;
  const next = attributes.map((attribute) => {
    if (attribute.graph === undefined && attribute.graphs.length === 0) return attribute;
    const graph = attribute.graph && change(attribute.graph);
    const graphs = attribute.graphs.map(change);
    const same =
      graph === attribute.graph && graphs.every((one, at) => one === attribute.graphs[at]);
    if (same) return attribute;
    changed = true;
    return { ...attribute, ...(graph && { graph }), graphs };
  });
  return changed ? next : attributes;
}

/** Every name that a model uses anywhere. */
export function namesOf(model: Model): Set<string> {
  const names = new Set<string>();
  const visit = (graph: Graph): void => {
    for (const one of [...graph.inputs, ...graph.outputs, ...graph.initializers]) {
      names.add(one.name ?? '');
    }
    visitNodes(graph.nodes);
  };
  const visitNodes = (nodes: readonly Node[]): void => {
    for (const node of nodes) {
      for (const name of node.inputs) names.add(name);
      for (const name of node.outputs) names.add(name);
      for (const inner of subgraphsOf(node)) visit(inner);
    }
  };
  if (model.graph !== undefined) visit(model.graph);
  for (const one of model.functions) visitNodes(one.nodes);
  return names;
}

function renameWithin(graph: Graph, from: string, to: string): Graph {
  const own = [...graph.inputs, ...graph.initializers].some(({ name }) => name === from);
  if (own || graph.nodes.some(({ outputs }) => outputs.includes(from))) return graph;
  const nodes = graph.nodes.map((node) => {
    const inner = subgraphsOf(node).length > 0;
    return inner || node.inputs.includes(from) ? renameReads(node, from, to) : node;
  });
  return { ...graph, nodes };
}
