import { describe, expect, test } from 'vitest';
import { gather, pack, resolveRun, TRANSFER_BYTES_MIN } from '../../src/infer/batch.ts';
import { createQueue } from '../../src/infer/queue.ts';
import { createRequest, type Outputs, type Request } from '../../src/infer/request.ts';
import { createSlabs } from '../../src/infer/slabs.ts';
import { FREE, float32, type NamedTensorSpec, tensorOf } from '../../src/tensor/tensor.ts';
import { rows } from './test-pool.ts';

const X: NamedTensorSpec = { name: 'x', type: 'float32', shape: [FREE, FREE] };
const SR: NamedTensorSpec = { name: 'sr', type: 'int64', shape: [] };

interface Made {
  readonly request: Request;
  readonly outputs: Outputs[];
}

function make(count: number, size: number, first = 0): Made {
  const outputs: Outputs[] = [];
  const model = { name: 'm', inputs: [X], rowsFree: true };
  const request = createRequest(
    model,
    { x: rows(count, size, first) },
    {
      priority: 'normal',
      deadlineAtMs: Number.POSITIVE_INFINITY,
      options: { batch: { sizeMax: 32, waitMsMax: 0 }, timeoutMs: 1 },
      onRan: undefined,
      resolve: (given) => void outputs.push(given),
      reject: (error) => {
        throw error;
      },
    },
  );
  return { request, outputs };
}

function gathered(requests: readonly Request[], rowsMax: number, merge = true) {
  const queue = createQueue();
  for (const request of requests) queue.push(request);
  const nowMs = performance.now();
  const sizes: number[][][] = [];
  while (queue.length > 0) {
    const runs = gather(queue, { rowsMax, merge, nowMs, expired() {} });
    sizes.push(runs.map((run) => run.map((request) => request.rows)));
  }
  return sizes;
}

describe('gathering', () => {
  const one = () => make(1, 4).request;
  const three = () => make(3, 4).request;
  const wide = () => make(1, 8).request;
  const alone = () => Object.assign(make(1, 4).request, { alone: true });

  test.each([
    { what: 'merges up to the size', given: [one(), one(), one()], expected: [[[1, 1]], [[1]]] },
    { what: 'counts rows', given: [one(), three(), one()], expected: [[[1]], [[3]], [[1]]] },
    { what: 'keeps other shapes apart', given: [one(), wide()], expected: [[[1], [1]]] },
    { what: 'leaves one alone', given: [one(), alone(), one()], expected: [[[1]], [[1]], [[1]]] },
  ])('$what', ({ given, expected }) => {
    expect(gathered(given, 2)).toEqual(expected);
  });

  test('runs requests one after the other where they cannot be merged', () => {
    expect(gathered([one(), one(), one()], 2, false)).toEqual([[[1], [1]], [[1]]]);
  });
});

describe('packing', () => {
  test('puts the inputs of a run behind each other and aligns each tensor', () => {
    const run = [make(1, 3, 1).request, make(2, 3, 5).request];
    const other = [make(1, 2, 9).request];
    const { runs, slab, transfer } = pack([run, other], [X], createSlabs());
    expect(transfer).toEqual([slab]);
    const [first, second] = runs.map((parts) => parts[0]!);
    expect(first).toMatchObject({ shape: [3, 3], byteOffset: 0 });
    expect(Array.from(new Float32Array(slab!, 0, 9))).toEqual(
      [rows(1, 3, 1), rows(2, 3, 5)].flatMap(({ data }) => Array.from(data, Number)),
    );
    expect(second).toMatchObject({ shape: [1, 2], byteOffset: 64 });
    expect(Array.from(new Float32Array(slab!, 64, 2))).toEqual([9, 9.125]);
  });

  test('hands a large tensor over only where it owns its buffer', () => {
    const size = TRANSFER_BYTES_MIN / 4;
    const owning = make(1, size).request;
    const shared = {
      ...make(1, 1).request,
      inputs: [float32([1, size], new Float32Array(size + 1).subarray(1))],
    };
    const one = pack([[owning]], [X], createSlabs());
    expect(one).toMatchObject({ slab: undefined, transfer: [owning.inputs[0]?.data.buffer] });
    const other = pack([[shared]], [X], createSlabs());
    expect(other.transfer).toEqual([other.slab]);
  });

  test('copies a large tensor that the caller keeps', () => {
    const asked: string[] = [];
    const keeps = (input: string) => asked.push(input) > 0;
    const kept: Request = { ...make(1, TRANSFER_BYTES_MIN / 4).request, keeps };
    const { slab, transfer } = pack([[kept]], [X], createSlabs());
    expect(transfer).toEqual([slab]);
    expect(asked).toEqual(['x']);
    expect(Array.from(new Float32Array(slab!, 0, 3))).toEqual([0, 0.125, 0.25]);
  });

  test('takes scalars of 64 bits', () => {
    const sr = tensorOf('int64', [], BigInt64Array.of(16_000n));
    const request: Request = { ...make(1, 1).request, inputs: [sr] };
    const { runs, slab } = pack([[request]], [SR], createSlabs());
    expect(runs[0]?.[0]?.shape).toEqual([]);
    expect(new BigInt64Array(slab!, 0, 1)[0]).toBe(16_000n);
  });
});

describe('outputs of a batch', () => {
  const made = [make(1, 2), make(3, 2)];
  const run = made.map(({ request }) => request);
  const y: NamedTensorSpec = { name: 'y', type: 'float32', shape: [FREE, 2] };

  test('are given back by rows, as views of one buffer', () => {
    const { shape, data } = rows(4, 2);
    expect(resolveRun(run, [{ shape, data }], [y])).toBe(true);
    const [first, second] = made.map(({ outputs }) => outputs[0]!.y!);
    expect(first).toMatchObject({ shape: [1, 2], type: 'float32' });
    expect(second?.shape).toEqual([3, 2]);
    expect(Array.from(second!.data, Number)).toEqual([0.25, 0.375, 0.5, 0.625, 0.75, 0.875]);
    expect(second?.data.buffer).toBe(first?.data.buffer);
  });

  test('of another number of rows are given to nobody', () => {
    const { shape, data } = rows(5, 2);
    const before = made.map(({ outputs }) => outputs.length);
    expect(resolveRun(run, [{ shape, data }], [y])).toBe(false);
    expect(made.map(({ outputs }) => outputs.length)).toEqual(before);
  });
});
