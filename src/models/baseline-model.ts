import { type AttributeValue, createNode, createValueInfo } from '../onnx/build.ts';
import { recordOfTensor } from '../onnx/constant.ts';
import type { Model, Node, TensorRecord } from '../onnx/proto.ts';
import { FREE, type Tensor } from '../tensor/tensor.ts';

/** The newest ReduceMean that takes its axes as an attribute; every runtime of the last years has it. */
const OPSET = 17;
const IR_VERSION = 8;
const NONE = { unknown: [] } as const;

/** What a machine learned and where it stands; all arrays are row-major. */
export interface BaselineParts {
  /** Names of the fields, in their order. */
  readonly names: readonly string[];
  readonly window: number;
  readonly mean: Float64Array; // [n], in the fields' units
  readonly scale: Float64Array; // [n], in the fields' units
  /** Scaled values beyond this are cut. */
  readonly deviationsMax: number;
  readonly whiten: Float64Array; // [n, n], symmetric
  readonly reference: Float64Array; // [n], where normal stands now
  readonly recent: Float64Array; // [window, n], scaled rows, the newest last
  readonly adaptEvents: number; // 0: normal follows nothing
  readonly adaptBelow: number;
}

/** The model's outputs that come back as inputs, by name; all zeros at first. */
export const BASELINE_STATE = { recent_next: 'recent', drift_next: 'drift' } as const;

/**
 * A learned normal as an ONNX model. `fields` float64 [N, n] with the states `recent` [N, window, n]
 * and `drift` [N, n] give `deviation` float32 [N, n] and its length `score` [N]. The states are float64
 * differences from where the machine stood when it was written, so that they begin with zeros.
 * What is added up over events is float64; the whitening, which is the weights, is float32.
 */
export function createBaselineModel(parts: BaselineParts): Model {
  const { names, window } = parts;
  const n = names.length;
  const constants: TensorRecord[] = [];
  const constant = (name: string, type: Tensor['type'], { shape, data }: Values) => {
    constants.push(recordOfTensor(name, { kind: 'tensor', type, shape, data }));
    return name;
  };
  const double = (name: string, shape: readonly number[], data: Float64Array) =>
    constant(name, 'float64', { shape, data });
  const scalar = (name: string, value: number) => double(name, [], Float64Array.of(value));
  const list = (name: string, ...values: number[]) =>
    constant(name, 'int64', { shape: [values.length], data: BigInt64Array.from(values, BigInt) });

  const firstAxis = list('axis_window', 1);
  const whiten = constant('whiten', 'float32', {
    shape: [n, n],
    data: Float32Array.from(parts.whiten),
  });
  const nodes: readonly Node[] = [
    node('Sub', ['fields', double('mean', [n], parts.mean)], 'centred'),
    node('Div', ['centred', double('scale', [n], parts.scale)], 'deviations'),
    node('Clip', ['deviations', ...limits(scalar, parts.deviationsMax)], 'scaled'),
    // The mean of the last rows: the oldest goes, the new one comes.
    node('Unsqueeze', ['scaled', firstAxis], 'row'),
    node('Add', ['recent', double('recent_start', [1, window, n], parts.recent)], 'before'),
    node('Slice', ['before', list('from', 1), list('to', window), firstAxis], 'kept'),
    node('Concat', ['kept', 'row'], 'rows', { axis: 1n }),
    node('Sub', ['rows', 'recent_start'], 'recent_next'),
    node('ReduceMean', ['rows'], 'window_mean', { axes: [1n], keepdims: 0n }),
    // How far it is from normal, decorrelated.
    node('Add', ['drift', double('reference_start', [n], parts.reference)], 'reference'),
    node('Sub', ['window_mean', 'reference'], 'difference'),
    node('Cast', ['difference'], 'difference_float', { to: 1n }),
    node('MatMul', ['difference_float', whiten], 'deviation'),
    node('ReduceL2', ['deviation'], 'score', { axes: [1n], keepdims: 0n }),
    ...driftNodes(parts, scalar, list),
  ];
  return {
    ...NONE,
    irVersion: BigInt(IR_VERSION),
    producerName: 'ledge',
    opsetImports: [{ ...NONE, domain: '', version: BigInt(OPSET) }],
    metadata: [],
    functions: [],
    graph: {
      ...NONE,
      name: 'baseline',
      nodes,
      initializers: constants,
      sparseInitializers: [],
      valueInfos: [],
      inputs: [
        createValueInfo('fields', 'float64', [FREE, n]),
        createValueInfo('recent', 'float64', [FREE, window, n]),
        createValueInfo('drift', 'float64', [FREE, n]),
      ],
      outputs: [
        createValueInfo('deviation', 'float32', [FREE, n]),
        createValueInfo('score', 'float32', [FREE]),
        createValueInfo('recent_next', 'float64', [FREE, window, n]),
        createValueInfo('drift_next', 'float64', [FREE, n]),
      ],
    },
  };
}

interface Values {
  readonly shape: readonly number[];
  readonly data: Tensor['data'];
}

type Scalar = (name: string, value: number) => string;

/** Normal follows a near event: by (1 - (score / adaptBelow)^2) / adaptEvents of the way, never back. */
function driftNodes(
  { adaptEvents, adaptBelow }: BaselineParts,
  scalar: Scalar,
  list: (name: string, ...values: number[]) => string,
): Node[] {
  const step = adaptEvents === 0 ? 0 : 1 / adaptEvents;
  return [
    node('Cast', ['score'], 'distance', { to: 11n }),
    node('Div', ['distance', scalar('adapt_below', adaptBelow)], 'part'),
    node('Mul', ['part', 'part'], 'part_squared'),
    node('Sub', [scalar('one', 1), 'part_squared'], 'nearness'),
    node('Max', ['nearness', scalar('zero', 0)], 'follows'),
    node('Mul', ['follows', scalar('adapt_step', step)], 'rate'),
    node('Unsqueeze', ['rate', list('axis_field', 1)], 'rate_column'),
    node('Mul', ['rate_column', 'difference'], 'moved'),
    node('Add', ['drift', 'moved'], 'drift_next'),
  ];
}

function limits(scalar: Scalar, most: number): [low: string, high: string] {
  return [scalar('deviations_low', -most), scalar('deviations_high', most)];
}

function node(
  operator: string,
  inputs: readonly string[],
  output: string,
  attributes: Readonly<Record<string, AttributeValue>> = {},
): Node {
  return createNode({ operator, inputs, outputs: [output], name: output, attributes });
}
