import { elementTypeOf } from './element-type.ts';
import { allNodes, constantsOf, elementsOf, requiredInputs, specOf, tensorBytes } from './graph.ts';
import type { OnnxSummary } from './inspect.ts';
import type { Model, Node, TensorRecord, ValueInfo } from './proto.ts';

/** What a parsed model says of itself; `fileBytes` is the length of its file. */
export function summarise(model: Model, fileBytes: number): OnnxSummary {
  const graph = model.graph;
  // A map: an operator may be called like what every object has.
  const operators = new Map<string, number>();
  for (const node of allNodes(model)) {
    const name = operatorName(node);
    operators.set(name, (operators.get(name) ?? 0) + 1);
  }
  const constants = [...constantsOf(model)];
  const weights = constants.filter((tensor) => formatOf(tensor) !== undefined);
  return {
    irVersion: Number(model.irVersion ?? 0n),
    producer: [model.producerName, model.producerVersion].filter(Boolean).join(' '),
    opsets: opsetsOf(model),
    inputs: graph === undefined ? [] : specsOf(requiredInputs(graph)),
    outputs: specsOf(graph?.outputs ?? []),
    operators: Object.fromEntries(operators),
    parameters: sum(weights.map(elementsOf)),
    weightBytes: sum(constants.map(tensorBytes)),
    fileBytes,
    precision: precisionOf(weights),
  };
}

/** An operator as people write it: with its domain, unless that is ONNX's own. */
export function operatorName(node: Node): string {
  const domain = domainOf(node.domain);
  return domain === '' ? (node.operator ?? '') : `${domain}.${node.operator ?? ''}`;
}

/** A domain as nodes and opset imports mean it: `ai.onnx` is another name of ''. */
export function domainOf(domain: string | undefined): string {
  return domain === undefined || domain === 'ai.onnx' ? '' : domain;
}

function opsetsOf(model: Model): Record<string, number> {
  const pairs = model.opsetImports.map(
    ({ domain, version }) => [domainOf(domain), Number(version ?? 0n)] as const,
  );
  return Object.fromEntries(pairs);
}

function specsOf(values: readonly ValueInfo[]) {
  return values.map(specOf).filter((spec) => spec !== undefined);
}

function sum(figures: readonly (number | undefined)[]): number {
  return figures.reduce((total: number, figure) => total + (figure ?? 0), 0);
}

/** The name of the number format that holds most weight bytes. */
function precisionOf(weights: readonly TensorRecord[]): string {
  const bytesByFormat = new Map<string, number>();
  for (const tensor of weights) {
    const format = formatOf(tensor) ?? '';
    bytesByFormat.set(format, (bytesByFormat.get(format) ?? 0) + (tensorBytes(tensor) ?? 0));
  }
  const [most] = [...bytesByFormat].sort((a, b) => b[1] - a[1]);
  return most?.[0] ?? 'fp32';
}

/** The number format of weights; undefined for indices, shapes and conditions, which are none. */
function formatOf(tensor: TensorRecord): string | undefined {
  const type = elementTypeOf(tensor.dataType)?.name;
  if (type === 'float32') return 'fp32';
  if (type === 'float64') return 'fp64';
  if (type === 'float16' || type === 'bfloat16') return 'fp16';
  if (type === 'int8' || type === 'uint8') return 'int8';
  if (type === 'int16' || type === 'uint16') return 'int16';
  if (type === 'int4' || type === 'uint4') return 'int4';
  return type?.startsWith('float8') ? 'fp8' : undefined;
}
