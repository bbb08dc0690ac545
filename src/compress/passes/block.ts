import { createNode } from '../../onnx/build.ts';
import { recordOfBytes } from '../../onnx/constant.ts';
import { CONTRIBUTED, editGraphs, withFixedConstants } from '../../onnx/edit-model.ts';
import type { GraphEditor } from '../../onnx/graph-editor.ts';
import { z } from '../../std/schema.ts';
import { type Linear, linearsOf, outputsFirst } from '../linear.ts';
import type { Pass, Tally } from '../pass.ts';
import { type BlockOptions, quantiseBlocks } from '../quantise.ts';
import { type Table, tablesOf } from '../tables.ts';

/** Below this, factors and nodes cost more than the smaller numbers save. */
const ELEMENTS_MIN = 1024;
/** The operators take no smaller block. */
const BLOCK_MIN = 16;
/** Sums in whole numbers, the input in blocks of eight bits: what the runtime has fast kernels for. */
const ACCURACY_INT8 = 4n;

const blockSize = z.union([16, 32, 64, 128, 256].map((size) => z.literal(size)));

const names = z.array(z.string()).default([]);

const fields = {
  block: blockSize.default(64).describe('Numbers of a row that share a factor.'),
  embeddings: z.boolean().default(true).describe('Tables of embeddings as well.'),
  exclude: names.describe('Nodes to leave, by name or that of their weights; * is any text.'),
  only: names.describe('Nodes to take, named the same way; without them all.'),
  elementsMin: z
    .int()
    .min(1)
    .default(ELEMENTS_MIN)
    .describe('Constants with fewer numbers are left.'),
};

const schema = z.strictObject({
  ...fields,
  search: z.boolean().default(true).describe('Look for the factor with the least error.'),
});

type Config = z.output<typeof schema>;

/** Four bits for each weight of MatMul, Gemm and embeddings. */
export const int4Block: Pass<Config> = {
  name: 'int4-block',
  summary: 'Weights of MatMul, Gemm and embeddings in blocks of 4 bits (MatMulNBits)',
  schema,
  apply: (model, config, { tally }) => {
    return editGraphs(withFixedConstants(model), (editor) => {
      quantiseInBlocks(editor, { ...config, bits: 4 }, tally);
    });
  },
};

/** Eight bits for each weight of MatMul, Gemm and embeddings, a factor for each block. */
export const int8Block: Pass<Config> = {
  name: 'int8-block',
  summary: 'Weights of MatMul, Gemm and embeddings in blocks of 8 bits (MatMulNBits)',
  schema,
  apply: (model, config, { tally }) => {
    return editGraphs(withFixedConstants(model), (editor) => {
      quantiseInBlocks(editor, { ...config, bits: 8 }, tally);
    });
  },
};

interface BlockConfig extends Config {
  readonly bits: 4 | 8;
}

function quantiseInBlocks(editor: GraphEditor, config: BlockConfig, tally: Tally): void {
  const stored = createBlockStore(editor, config);
  const linears = [...linearsOf(editor, { tally, ...config })];
  // Tables first: a head that shares one takes it from there.
  for (const table of config.embeddings ? tablesOf(editor, config.elementsMin) : []) {
    stored.replaceTable(table, tally);
  }
  for (const linear of linears) stored.replaceLinear(linear, tally);
  editor.sweep();
}

/** What was quantised already, so that a table that is also a head is stored once. */
export interface BlockStore {
  replaceTable(table: Table, tally: Tally): void;
  replaceLinear(linear: Linear, tally: Tally): void;
}

/** Puts weights into blocks, each constant once. */
export function createBlockStore(editor: GraphEditor, options: BlockOptions): BlockStore {
  const known = new Map<string, Stored>();

  /** Rows of a matrix [rows, width] in blocks; the constants are [rows, width] and [rows, blocks]. */
  function store(name: string, data: Float32Array, width: number): Stored {
    const block = blockFor(width, options.block);
    const before = known.get(name);
    if (before !== undefined) return before;
    const rows = data.length / width;
    const { values, scales, blocks } = quantiseBlocks(data, width, { ...options, block });
    const bytes = (block * options.bits) / 8;
    const flat = { type: 'uint8', shape: [rows, blocks * bytes], bytes: values };
    const valuesName = editor.addConstant(`${name}_q${options.bits}`, recordOfBytes('', flat));
    const scalesName = editor.addConstant(`${name}_scales`, {
      kind: 'tensor',
      type: 'float32',
      shape: [rows, blocks],
      data: scales,
    });
    const stored = { values: valuesName, scales: scalesName, rows, blocks, block, bytes };
    known.set(name, stored);
    return stored;
  }

  return {
    replaceTable(table, tally) {
      const stored = store(table.name, table.data, table.width);
      if (stored.blocks * stored.block !== table.width) {
        tally.left(table.place, `rows of ${table.width}, no multiple of ${BLOCK_MIN}`);
        return;
      }
      const gather = createNode({
        operator: 'GatherBlockQuantized',
        domain: CONTRIBUTED,
        inputs: [stored.values, table.node.inputs[1] ?? '', stored.scales],
        outputs: [table.node.outputs[0] ?? ''],
        name: `${table.node.outputs[0]}_q${options.bits}`,
        attributes: {
          bits: BigInt(options.bits),
          block_size: BigInt(stored.block),
          gather_axis: 0n,
          quantize_axis: 1n,
        },
      });
      editor.replace(table.node, gather);
      tally.did(`embedding in blocks of ${options.bits} bits`);
    },
    replaceLinear(linear, tally) {
      const tied = linear.outputsFirst && known.has(linear.weightsName);
      const key = tied || linear.outputsFirst ? linear.weightsName : `${linear.weightsName}_turned`;
      const rows = tied ? linear.weights : outputsFirst(linear);
      const stored = store(key, rows, linear.inputs);
      addMatMul(editor, linear, { ...stored, bits: options.bits });
      tally.did(`${linear.nodes[0]?.operator} in blocks of ${options.bits} bits`);
      if (tied) tally.did('head that shares its table');
    },
  };
}

interface Stored {
  readonly values: string;
  readonly scales: string;
  readonly rows: number;
  readonly blocks: number;
  readonly block: number;
  readonly bytes: number;
}

/** The wanted block, or the largest below it that divides a row: tables have no padding. */
function blockFor(width: number, wanted: number): number {
  for (let block = wanted; block > BLOCK_MIN; block /= 2) if (width % block === 0) return block;
  return BLOCK_MIN;
}

function addMatMul(
  editor: GraphEditor,
  linear: Linear,
  stored: Stored & { readonly bits: number },
): void {
  // The operator wants [rows, blocks, bytes]: a view of the constant that the runtime folds away.
  const shape = BigInt64Array.of(BigInt(stored.rows), BigInt(stored.blocks), BigInt(stored.bytes));
  const values = editor.freshName(`${stored.values}_blocks`);
  const shapeName = editor.addConstant(`${stored.values}_shape`, {
    kind: 'tensor',
    type: 'int64',
    shape: [3],
    data: shape,
  });
  const product = linear.bias === undefined ? linear.y : editor.freshName(`${linear.y}_product`);
  const reshape = createNode({
    operator: 'Reshape',
    inputs: [stored.values, shapeName],
    outputs: [values],
    name: values,
  });
  const matmul = createNode({
    operator: 'MatMulNBits',
    domain: CONTRIBUTED,
    inputs: [linear.x, values, stored.scales],
    outputs: [product],
    name: `${linear.y}_q${stored.bits}`,
    attributes: {
      K: BigInt(linear.inputs),
      N: BigInt(linear.outputs),
      bits: BigInt(stored.bits),
      block_size: BigInt(stored.block),
      accuracy_level: ACCURACY_INT8,
    },
  });
  editor.remove(...linear.nodes);
  editor.add(reshape, matmul);
  if (linear.bias === undefined) return;
  const inputs = [product, linear.bias];
  editor.add(
    createNode({ operator: 'Add', inputs, outputs: [linear.y], name: `${linear.y}_bias` }),
  );
}
