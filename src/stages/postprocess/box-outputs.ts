import { FieldError } from '../../flow/stage.ts';
import { formatType, type TensorType, type Value, type ValueType } from '../../flow/value.ts';
import { LedgeError } from '../../std/error.ts';
import { FREE, formatShape, type Tensor } from '../../tensor/tensor.ts';
import type { BoxGrid } from './box-decoder.ts';
import { oneTensor, oneTensorType } from './one-tensor.ts';
import { float32Of } from './scores.ts';

export interface OutputFields {
  readonly layout: 'ssd' | 'yolo';
  readonly scores?: string | undefined;
  readonly boxes?: string | undefined;
  readonly order: 'attributes-first' | 'boxes-first';
  readonly objectness: boolean;
  readonly background?: number | undefined;
  readonly labels?: readonly string[] | undefined;
}

export interface BoxOutputs {
  readonly labels: readonly string[] | undefined;
  read(value: Value): BoxGrid;
}

/** Numbers of a box: two corners, or a centre and a size. */
const BOX_PARTS = 4;

/** Checks a detector's outputs against how they are said to be laid out. Throws FieldError. */
export function compileOutputs(fields: OutputFields, input: ValueType): BoxOutputs {
  return fields.layout === 'ssd' ? compileSsd(fields, input) : compileYolo(fields, input);
}

function compileSsd(fields: OutputFields, input: ValueType): BoxOutputs {
  const scores = namedType(input, 'scores', fields.scores);
  const boxes = namedType(input, 'boxes', fields.boxes);
  checkRank(scores, 'scores', '[1, n, classes]');
  checkRank(boxes, 'boxes', '[1, n, 4]');
  const [, scored = FREE, classes = FREE] = scores.shape;
  const [, boxed = FREE, parts] = boxes.shape;
  if (parts !== BOX_PARTS) throw new FieldError('boxes', formatType(boxes), 'boxes [1, n, 4]');
  if (scored !== FREE && boxed !== FREE && scored !== boxed) {
    throw new FieldError('boxes', formatType(boxes), `${scored} boxes, one for each score`);
  }
  const labels = checkClasses(fields, input, classes);
  return {
    labels,
    read(value) {
      const rows = namedTensor(value, fields.scores);
      const places = namedTensor(value, fields.boxes);
      const [count = 0, found = 0] = rows.shape.slice(1);
      if (places.data.length !== count * BOX_PARTS || rows.data.length !== count * found) {
        throw misfit(places, `one box for each of the scores ${formatShape(rows.shape)}`);
      }
      checkCount(rows, found, labels);
      return {
        count,
        classes: found,
        scores: { data: float32Of(rows), at: 0, perBox: found, perPart: 1 },
        boxes: { data: float32Of(places), at: 0, perBox: BOX_PARTS, perPart: 1 },
        objectness: undefined,
      };
    },
  };
}

function compileYolo(fields: OutputFields, input: ValueType): BoxOutputs {
  if (fields.scores !== undefined) {
    throw new FieldError('scores', fields.scores, 'no name: yolo has one output, `boxes`');
  }
  const type =
    fields.boxes === undefined ? oneTensorType(input) : namedType(input, 'boxes', fields.boxes);
  const attributesFirst = fields.order === 'attributes-first';
  checkRank(type, 'boxes', attributesFirst ? '[1, 4 + classes, n]' : '[1, n, 4 + classes]');
  const before = BOX_PARTS + (fields.objectness ? 1 : 0);
  const attributes = type.shape[attributesFirst ? 1 : 2] ?? FREE;
  const labels = checkClasses(fields, input, attributes === FREE ? FREE : attributes - before);
  return {
    labels,
    read(value) {
      const tensor =
        fields.boxes === undefined ? oneTensor(value) : namedTensor(value, fields.boxes);
      const [first = 0, second = 0] = tensor.shape.slice(1);
      const [parts, count] = attributesFirst ? [first, second] : [second, first];
      if (tensor.data.length !== parts * count || parts <= before) {
        throw misfit(tensor, 'the boxes of one picture');
      }
      checkCount(tensor, parts - before, labels);
      const strides = attributesFirst
        ? { perBox: 1, perPart: count }
        : { perBox: parts, perPart: 1 };
      const data = float32Of(tensor);
      const from = (part: number) => ({ data, at: part * strides.perPart, ...strides });
      return {
        count,
        classes: parts - before,
        scores: from(before),
        boxes: from(0),
        objectness: fields.objectness ? from(BOX_PARTS) : undefined,
      };
    },
  };
}

function checkClasses(
  { background, labels: configured }: OutputFields,
  input: ValueType,
  classes: number,
): readonly string[] | undefined {
  if (classes !== FREE && classes < 1) {
    throw new FieldError('boxes', formatType(input), 'an output with at least one class');
  }
  if (background !== undefined && classes !== FREE && background >= classes) {
    throw new FieldError('background', background, `one of ${classes} classes`);
  }
  const inherited = input.kind === 'tensors' || input.kind === 'tensor' ? input.labels : undefined;
  const labels = configured ?? inherited;
  if (labels !== undefined && classes !== FREE && labels.length !== classes) {
    throw new FieldError('labels', `${labels.length} labels`, `${classes}, one for each class`);
  }
  return labels;
}

function checkRank(type: TensorType, field: string, expected: string): void {
  const [batch] = type.shape;
  if (type.shape.length === 3 && (batch === 1 || batch === FREE)) return;
  throw new FieldError(field, formatType(type), expected);
}

function checkCount(tensor: Tensor, classes: number, labels: readonly string[] | undefined): void {
  if (labels !== undefined && labels.length !== classes) {
    throw misfit(tensor, `${labels.length} labels`);
  }
}

function misfit(tensor: Tensor, expected: string): LedgeError {
  const state = `the output is ${formatShape(tensor.shape)}`;
  return new LedgeError('shape-mismatch', `Cannot read boxes: ${state}, expected ${expected}`);
}

function namedType(input: ValueType, field: string, name: string | undefined): TensorType {
  if (input.kind !== 'tensors') throw new FieldError('', formatType(input), "a model's outputs");
  const spec = Object.hasOwn(input.tensors, name ?? '') ? input.tensors[name ?? ''] : undefined;
  if (spec !== undefined) return { kind: 'tensor', ...spec };
  throw new FieldError(field, name, `one of ${Object.keys(input.tensors).join(', ')}`);
}

function namedTensor(value: Value, name: string | undefined): Tensor {
  const tensor = value.kind === 'tensors' ? value.tensors[name ?? ''] : undefined;
  if (tensor !== undefined) return tensor;
  throw new LedgeError('internal', `Cannot read boxes: the value has no output "${name}"`);
}
