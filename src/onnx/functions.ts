import { nodesOf } from './graph.ts';
import type { ModelProblem } from './inspect.ts';
import type { Model, ModelFunction, Node } from './proto.ts';
import { domainOf } from './summary.ts';

/** Exporters nest a layer's function in a block's in a model's: three or four deep. */
const CALL_DEPTH_MAX = 64;

/** A function or operator as the map of functions knows it. */
export function callKey(domain: string | undefined, name: string | undefined): string {
  return `${domainOf(domain)}:${name ?? ''}`;
}

/** The functions a model defines, by domain and name. */
export function functionsOf(model: Model): ReadonlyMap<string, ModelFunction> {
  return new Map(model.functions.map((one) => [callKey(one.domain, one.name), one]));
}

/**
 * How many nodes the model has once its functions are written out, as onnxruntime does: functions
 * that call functions can double at every step. A function that calls itself is a problem.
 */
export function checkFunctions(model: Model, nodesMax: number): ModelProblem[] {
  const functions = functionsOf(model);
  const sizes = new Map<string, number>();
  const open = new Set<string>();
  const problems: ModelProblem[] = [];
  const sizeOf = (nodes: readonly Node[]): number => {
    let size = 0;
    for (const node of nodesOf(nodes)) {
      const key = callKey(node.domain, node.operator);
      const called = functions.get(key);
      size += called === undefined ? 1 : calledSize(key, called);
    }
    return size;
  };
  const calledSize = (key: string, called: ModelFunction): number => {
    if (open.has(key)) {
      problems.push({ where: called.name ?? '', message: 'the function calls itself' });
      return 1;
    }
    if (open.size >= CALL_DEPTH_MAX) {
      const message = `functions call each other more than ${CALL_DEPTH_MAX} deep`;
      problems.push({ where: called.name ?? '', message });
      return 1;
    }
    const known = sizes.get(key);
    if (known !== undefined) return known;
    open.add(key);
    const size = sizeOf(called.nodes);
    open.delete(key);
    sizes.set(key, size);
    return size;
  };
  const size = sizeOf(model.graph?.nodes ?? []);
  if (size > nodesMax) {
    problems.push({ where: 'graph', message: `it has ${size} nodes, the limit is ${nodesMax}` });
  }
  return problems;
}
