import { encodeModel } from '../../../src/onnx/graph.ts';
import {
  attribute,
  constant,
  graph,
  model,
  node,
  valueInfo,
} from '../../../test/fixtures/onnx-models.ts';

/** Floats of an event, see event.ts. */
const WIDTH = 4;
/** 256 x 256: one product takes some hundred microseconds. */
const SIDE = 256;

/** `y = x * one`: gives each event back, in batches. */
export function echoModel(): Uint8Array {
  const one = constant('one', 'float32', { dims: [1], data: Float32Array.of(1) });
  return encodeModel(
    model({
      nodes: [node('Mul', [['x', 'one'], ['y']])],
      initializers: [one],
      inputs: [valueInfo('x', 'float32', ['N', WIDTH])],
      outputs: [valueInfo('y', 'float32', ['N', WIDTH])],
    }),
  );
}

/** Gives an event back after as many matrix products as its last number says: it can hang. */
export function hangingModel(): Uint8Array {
  const body = graph({
    name: 'body',
    nodes: [node('MatMul', [['in', 'w'], ['out']]), node('Identity', [['more'], ['moreOut']])],
    inputs: [
      valueInfo('iteration', 'int64', []),
      valueInfo('more', 'bool', []),
      valueInfo('in', 'float32', [SIDE, SIDE]),
    ],
    outputs: [valueInfo('moreOut', 'bool', []), valueInfo('out', 'float32', [SIDE, SIDE])],
  });
  const int64 = (name: string, dims: readonly number[], values: readonly bigint[]) =>
    constant(name, 'int64', { dims, data: BigInt64Array.from(values) });
  return encodeModel(
    model({
      nodes: [
        node('Gather', [['x', 'last'], ['extra']], { attributes: [attribute('axis', 1n)] }),
        node('Reshape', [['extra', 'scalar'], ['one']]),
        node('Cast', [['one'], ['count']], { attributes: [attribute('to', 7n)] }),
        node('Loop', [['count', 'always', 'w'], ['product']], {
          attributes: [attribute('body', body)],
        }),
        node('ReduceMax', [['product'], ['most']], { attributes: [attribute('keepdims', 0n)] }),
        node('Mul', [['most', 'zero'], ['nothing']]),
        node('Add', [['x', 'nothing'], ['y']]),
      ],
      initializers: [
        // Times itself it stays what it is: no number of products overflows.
        constant('w', 'float32', {
          dims: [SIDE, SIDE],
          data: new Float32Array(SIDE * SIDE).fill(1 / SIDE),
        }),
        int64('last', [1], [BigInt(WIDTH - 1)]),
        int64('scalar', [0], []),
        constant('always', 'bool', { dims: [], data: Uint8Array.of(1) }),
        constant('zero', 'float32', { dims: [], data: Float32Array.of(0) }),
      ],
      inputs: [valueInfo('x', 'float32', [1, WIDTH])],
      outputs: [valueInfo('y', 'float32', [1, WIDTH])],
    }),
  );
}
