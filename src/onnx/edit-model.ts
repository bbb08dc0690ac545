import { attributeOf } from './graph.ts';
import { createGraphEditor, type GraphEditor, type Scope } from './graph-editor.ts';
import { mapSubgraphs, namesOf } from './names-within.ts';
import type { Graph, Model, Node, TensorRecord } from './proto.ts';
import { domainOf } from './summary.ts';

/** The first file format in which a constant needs not be an input as well. */
const IR_VERSION_CONSTANTS = 4n;
/** What onnxruntime calls version 1 of its own operators. */
const CONTRIBUTED_VERSION = 1n;

/** The domain of onnxruntime's own operators. */
export const CONTRIBUTED = 'com.microsoft';

/**
 * The model after `change` was given an editor of each of its graphs, the inner ones first. Functions
 * are left alone. A model that nothing changed is the same object.
 */
export function editGraphs(model: Model, change: (editor: GraphEditor) => void): Model {
  if (model.graph === undefined) return model;
  const taken = namesOf(model);
  const graph = editWithin(model.graph, { constantOf: () => undefined, taken }, change);
  return graph === model.graph ? model : withDomains({ ...model, graph });
}

function editWithin(graph: Graph, scope: Scope, change: (editor: GraphEditor) => void): Graph {
  const here = graph.nodes.some(({ attributes }) =>
    attributes.some((one) => one.graph !== undefined || one.graphs.length > 0),
  );
  const inner = here ? editSubgraphs(graph, scope, change) : graph;
  const editor = createGraphEditor(inner, scope);
  change(editor);
  return editor.finish();
}

function editSubgraphs(graph: Graph, scope: Scope, change: (editor: GraphEditor) => void): Graph {
  const outer = createGraphEditor(graph, scope);
  const seen: Scope = { constantOf: outer.constantOf, taken: scope.taken };
  const nodes = graph.nodes.map((node) => {
    const attributes = mapSubgraphs(node.attributes, (one) => editWithin(one, seen, change));
    return attributes === node.attributes ? node : { ...node, attributes };
  });
  return nodes.every((node, at) => node === graph.nodes[at]) ? graph : { ...graph, nodes };
}

/**
 * The model with its constants as constants: old files list each as an input too, where a caller could
 * replace it. Ledge never does.
 */
export function withFixedConstants(model: Model): Model {
  const graph = model.graph;
  if (graph === undefined) return model;
  const constants = new Set(graph.initializers.map(({ name }) => name));
  const inputs = graph.inputs.filter(({ name }) => !constants.has(name));
  const fixed =
    inputs.length === graph.inputs.length ? model : { ...model, graph: { ...graph, inputs } };
  const old = (model.irVersion ?? 0n) < IR_VERSION_CONSTANTS;
  return old ? { ...fixed, irVersion: IR_VERSION_CONSTANTS } : fixed;
}

/** The version of ONNX's own operators that a model speaks. */
export function opsetOf(model: Model): number {
  const own = model.opsetImports.find(({ domain }) => domainOf(domain) === '');
  return Number(own?.version ?? 0n);
}

/** Adds the domain of onnxruntime's operators where a node is of it and the model does not name it. */
export function withDomains(model: Model): Model {
  if (model.opsetImports.some(({ domain }) => domain === CONTRIBUTED)) return model;
  if (model.graph === undefined || !usesContributed(model.graph.nodes)) return model;
  const added = { unknown: [], domain: CONTRIBUTED, version: CONTRIBUTED_VERSION };
  return { ...model, opsetImports: [...model.opsetImports, added] };
}

function usesContributed(nodes: readonly Node[]): boolean {
  return nodes.some(
    ({ domain, attributes }) =>
      domain === CONTRIBUTED ||
      attributes.some((one) =>
        [...(one.graph === undefined ? [] : [one.graph]), ...one.graphs].some((graph) =>
          usesContributed(graph.nodes),
        ),
      ),
  );
}

/** The model with each of its constants put through `change`, wherever it stands. */
export function mapConstants(model: Model, change: (tensor: TensorRecord) => TensorRecord): Model {
  const graph = model.graph && mapWithin(model.graph, change);
  const functions = model.functions.map((one) => {
    const nodes = mapNodes(one.nodes, change);
    return nodes === one.nodes ? one : { ...one, nodes };
  });
  const same = graph === model.graph && functions.every((one, at) => one === model.functions[at]);
  return same ? model : { ...model, ...(graph && { graph }), functions };
}

function mapWithin(graph: Graph, change: (tensor: TensorRecord) => TensorRecord): Graph {
  const initializers = mapEach(graph.initializers, change);
  const nodes = mapNodes(graph.nodes, change);
  const same = initializers === graph.initializers && nodes === graph.nodes;
  return same ? graph : { ...graph, initializers, nodes };
}

function mapNodes(
  nodes: readonly Node[],
  change: (tensor: TensorRecord) => TensorRecord,
): readonly Node[] {
  return mapEach(nodes, (node) => {
    const inner = mapSubgraphs(node.attributes, (graph) => mapWithin(graph, change));
    const attributes = mapEach(inner, (one) => {
      const tensor = one.tensor && change(one.tensor);
      const tensors = mapEach(one.tensors, change);
      const same = tensor === one.tensor && tensors === one.tensors;
      return same ? one : { ...one, ...(tensor && { tensor }), tensors };
    });
    return attributes === node.attributes ? node : { ...node, attributes };
  });
}

function mapEach<T>(list: readonly T[], change: (one: T) => T): readonly T[] {
  let changed = false;
  const next = list.map((one) => {
    const other = change(one);
    changed ||= other !== one;
    return other;
  });
  return changed ? next : list;
}

/** An integer attribute of a node, or what it is when left out. */
export function intOf(node: Node, name: string, otherwise: number): number {
  const value = attributeOf(node, name)?.int;
  return value === undefined ? otherwise : Number(value);
}
