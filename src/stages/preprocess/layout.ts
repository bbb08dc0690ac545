import { defineStage, emit, FieldError } from '../../flow/stage.ts';
import { formatType, type TensorType } from '../../flow/value.ts';
import { swapPlanes } from '../../image/layout.ts';
import { z } from '../../std/schema.ts';
import { elementCount, type Tensor, tensorOf } from '../../tensor/tensor.ts';

const schema = z.strictObject({
  from: z
    .enum(['hwc', 'chw'])
    .default('hwc')
    .describe('Order of the axes that come in; `resize` gives hwc. A batch axis may stand before.'),
  to: z
    .enum(['nchw', 'nhwc', 'chw', 'hwc'])
    .default('nchw')
    .describe('Order of the axes that go out; n is a batch axis of size 1, added where missing.'),
});

/** The axes of a picture in the order a model takes. */
export const layout = defineStage({
  kind: 'layout',
  phase: 'preprocess',
  summary: 'Orders the axes of a picture for a model, and adds the batch axis.',
  schema,
  create({ from, to }, { input }) {
    if (input.kind !== 'tensor' || (input.shape.length !== 3 && input.shape.length !== 4)) {
      throw new FieldError('', formatType(input), `a tensor ${from}, or with a batch axis before`);
    }
    const batched = to.startsWith('n');
    if (!batched && input.shape.length === 4 && input.shape[0] !== 1) {
      throw new FieldError('to', to, `n${to}, as the input is ${formatType(input)}`);
    }
    const swapped = from !== to.replace('n', '');
    const shapeOf = (shape: readonly number[]) => arrange(shape, { from, swapped, batched });
    const { labels, ...type } = input;
    const named = !swapped && labels !== undefined ? { labels } : {};
    const output: TensorType = { ...type, shape: shapeOf(input.shape), ...named };
    return {
      output,
      scope: 'shared',
      open: () => ({
        run(value) {
          const tensor = value as Tensor;
          const shape = shapeOf(tensor.shape);
          const rows = tensor.shape.slice(-3);
          const inner = from === 'hwc' ? (rows[2] ?? 1) : elementCount(rows.slice(1));
          const data = swapped ? swapPlanes(tensor.data, elementCount(rows), inner) : tensor.data;
          return emit(tensorOf(tensor.type, shape, data));
        },
      }),
    };
  },
});

interface Order {
  readonly from: 'hwc' | 'chw';
  readonly swapped: boolean;
  readonly batched: boolean;
}

function arrange(shape: readonly number[], { from, swapped, batched }: Order): readonly number[] {
  const [a = 1, b = 1, c = 1] = shape.slice(-3);
  const turned = from === 'hwc' ? [c, a, b] : [b, c, a];
  const picture = swapped ? turned : [a, b, c];
  return batched ? [shape.length === 4 ? (shape[0] ?? 1) : 1, ...picture] : picture;
}
