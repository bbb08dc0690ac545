import { elementTypeOf } from './element-type.ts';
import { checkExternal, type FoundFiles } from './external.ts';
import { callKey, checkFunctions, functionsOf } from './functions.ts';
import {
  allNodes,
  constantsOf,
  nodesOf,
  type OnnxLimits,
  requiredInputs,
  subgraphsOf,
} from './graph.ts';
import type { ModelProblem } from './inspect.ts';
import { checkNames, placeOf } from './names.ts';
import { knowsOperator, latestVersion, operatorSince } from './operators.ts';
import type { Graph, Model, Node, OpsetImport, ValueInfo } from './proto.ts';
import { checkSizes } from './sizes.ts';
import { domainOf, operatorName } from './summary.ts';
import { checkConstant, EXTERNAL } from './weights.ts';

/** The newest file format that onnxruntime-node 1.30 reads. */
const IR_VERSION_MAX = 13n;
/** A broken file can have thousands of problems; a reader needs the first. */
const PROBLEMS_MAX = 50;

export interface CheckOptions {
  readonly folder: string | undefined;
  readonly limits: OnnxLimits;
}

/** Every reason why onnxruntime-node would fail on a model, or die of it. Empty: admitted. */
export async function checkModel(model: Model, options: CheckOptions): Promise<ModelProblem[]> {
  const { folder, limits } = options;
  const graph = model.graph;
  if (graph === undefined) return [{ where: 'file', message: 'the model has no graph' }];
  const functionProblems = checkFunctions(model, limits.nodesMax);
  // What follows visits every node, so a bomb ends here.
  if (functionProblems.length > 0) return functionProblems;
  const problems = [
    ...checkVersions(model),
    ...checkEnds(graph, limits),
    ...checkOperators(model),
    ...checkNames(graph),
    ...checkSparse(model),
    ...checkSizes(model, limits),
  ];
  const files: FoundFiles = new Map();
  for (const tensor of constantsOf(model)) {
    const own = checkConstant(tensor, limits);
    problems.push(...own);
    if (own.length > 0 || tensor.dataLocation !== EXTERNAL) continue;
    problems.push(...(await checkExternal(tensor, folder, files)));
    if (problems.length >= PROBLEMS_MAX) break;
  }
  return problems.slice(0, PROBLEMS_MAX);
}

function checkVersions(model: Model): ModelProblem[] {
  const problems: ModelProblem[] = [];
  const version = model.irVersion ?? 0n;
  if (version > IR_VERSION_MAX) {
    const message = `the format has version ${version}, onnxruntime reads up to ${IR_VERSION_MAX}`;
    problems.push({ where: 'ir_version', message });
  }
  if (model.opsetImports.length === 0) {
    problems.push({ where: 'opset_import', message: 'the model names no operator set' });
  }
  const seen = new Map<string, bigint>();
  for (const { domain, version: opset } of model.opsetImports) {
    const name = domainOf(domain);
    const where = `opset_import ${name || 'ai.onnx'}`;
    const latest = latestVersion(name);
    const found = opset ?? 0n;
    if (latest !== undefined && (found < 1n || found > BigInt(latest))) {
      const message = `version ${found}, onnxruntime knows 1 to ${latest}`;
      problems.push({ where, message });
    }
    if (seen.has(name) && seen.get(name) !== found) {
      problems.push({ where, message: 'named twice, with different versions' });
    }
    seen.set(name, found);
  }
  return problems;
}

function checkEnds(graph: Graph, limits: OnnxLimits): ModelProblem[] {
  const problems = [
    ...requiredInputs(graph).flatMap((value) => checkEnd(value, 'input', limits)),
    ...graph.outputs.flatMap((value) => checkEnd(value, 'output', limits)),
  ];
  const outputs = graph.outputs.map(({ name }) => name);
  if (outputs.length === 0) problems.push({ where: 'graph', message: 'it has no outputs' });
  if (new Set(outputs).size < outputs.length) {
    problems.push({ where: 'outputs', message: 'two of them have the same name' });
  }
  return problems;
}

/** Why a value cannot go in or out through onnxruntime-node; int4 there ends the whole process. */
function checkEnd(value: ValueInfo, end: 'input' | 'output', limits: OnnxLimits): ModelProblem[] {
  const where = value.name ?? '';
  const problem = (message: string) => [{ where, message: `the ${end} ${message}` }];
  if (where === '') return problem('has no name');
  const kinds = Object.entries(value.type ?? {})
    .filter(([kind]) => kind !== 'unknown')
    .map(([kind]) => kind);
  if (kinds.length !== 1) {
    return problem(kinds.length === 0 ? 'has no type' : `is both ${kinds.join(' and ')}`);
  }
  const tensor = value.type?.tensor;
  if (tensor === undefined) return problem(`is a ${kinds[0]}; only tensors go in and out`);
  const type = elementTypeOf(tensor.elementType);
  if (type?.dataType === undefined) {
    return problem(`has the type ${type?.name ?? tensor.elementType}, which cannot be passed`);
  }
  if (tensor.shape === undefined) {
    return problem('has no shape; run shape inference on the model and save it again');
  }
  let bytes = (type.bits ?? 0) / 8;
  // A negative size is an old way to say that it is free.
  for (const { size } of tensor.shape.dims)
    if (size !== undefined && size > 0n) bytes *= Number(size);
  if (bytes <= limits.tensorBytesMax) return [];
  return problem(`has ${bytes} bytes, the limit is ${limits.tensorBytesMax}`);
}

function checkOperators(model: Model): ModelProblem[] {
  const functions = functionsOf(model);
  const problems: ModelProblem[] = [];
  const check = (nodes: readonly Node[], imports: readonly OpsetImport[]) => {
    const versions = new Map(
      imports.map(({ domain, version }) => [domainOf(domain), Number(version ?? 0n)]),
    );
    for (const node of nodesOf(nodes)) {
      if (functions.has(callKey(node.domain, node.operator))) continue;
      const message = operatorProblem(node, versions);
      if (message !== undefined) problems.push({ where: placeOf(node), message });
    }
  };
  check(model.graph?.nodes ?? [], model.opsetImports);
  for (const one of model.functions) check(one.nodes, one.opsetImports);
  return problems;
}

function operatorProblem(node: Node, versions: ReadonlyMap<string, number>): string | undefined {
  const domain = domainOf(node.domain);
  const name = node.operator ?? '';
  const latest = latestVersion(domain);
  if (latest === undefined) {
    return `the operator ${operatorName(node)} is of a domain that onnxruntime does not know`;
  }
  const version = versions.get(domain) ?? latest;
  if (knowsOperator(domain, name, version)) return undefined;
  const since = operatorSince(domain, name);
  if (since === undefined) return `onnxruntime has no operator ${operatorName(node)}`;
  return `the operator ${operatorName(node)} is not in version ${version} of its set`;
}

/** Indices of sparse constants would have to be checked one by one; no edge model has them. */
function checkSparse(model: Model): ModelProblem[] {
  const graphs = model.graph === undefined ? [] : [model.graph];
  const inner = [...allNodes(model)].flatMap(subgraphsOf);
  const inGraphs = [...graphs, ...inner].some(
    ({ sparseInitializers }) => sparseInitializers.length,
  );
  const inNodes = [...allNodes(model)].some(({ attributes }) =>
    attributes.some((one) => one.sparseTensor !== undefined || one.sparseTensors.length > 0),
  );
  if (!inGraphs && !inNodes) return [];
  return [{ where: 'initialisers', message: 'sparse constants are not supported' }];
}
