import type { Tensor, TensorSpec } from '../tensor/tensor.ts';
import type { ModelIdentity } from './stage.ts';

/** What travels between the steps of a flow. One event carries one value at a time. */
export type Value = Bytes | Text | Fields | ImageFile | Tensor | NamedTensors | Result;

export interface Bytes {
  readonly kind: 'bytes';
  readonly bytes: Uint8Array;
}

export interface Text {
  readonly kind: 'text';
  readonly text: string;
}

/** A flat record of numbers, as a sensor sends it. The names are the sender's. */
export interface Fields {
  readonly kind: 'fields';
  readonly fields: Readonly<Record<string, number>>;
}

/** An encoded image whose header was read and whose size is within the limit; pixels come later. */
export interface ImageFile {
  readonly kind: 'image';
  readonly bytes: Uint8Array;
  readonly format: 'jpeg' | 'png' | 'webp';
  readonly width: number; // pixels, as displayed (after EXIF orientation)
  readonly height: number;
}

/** The outputs of a model, by the model's own names. */
export interface NamedTensors {
  readonly kind: 'tensors';
  readonly tensors: Readonly<Record<string, Tensor>>;
}

/** What a flow publishes as `result`: JSON values only. */
export interface Result {
  readonly kind: 'result';
  readonly result: Readonly<Record<string, unknown>>;
  /** Set by `route`: the last part of the topic, in place of the device. */
  readonly topic?: string;
  /** Set by the flow where its model has a ladder: the rung that it came from. */
  readonly model?: ModelIdentity;
}

/** What is known of a value when the flow is compiled. */
export type ValueType =
  | { readonly kind: 'bytes' }
  | { readonly kind: 'text' }
  | { readonly kind: 'fields'; readonly names?: readonly string[] }
  | { readonly kind: 'image' }
  | TensorType
  | {
      readonly kind: 'tensors';
      readonly tensors: Readonly<Record<string, TensorSpec>>;
      readonly labels?: readonly string[];
    }
  | { readonly kind: 'result'; readonly of: ResultKind; readonly labels?: readonly string[] };

export interface TensorType extends TensorSpec {
  readonly kind: 'tensor';
  /** Samples per second along axis 0 where the tensor is a signal. */
  readonly sampleRateHz?: number;
  /** Names along the last axis: the model's classes, or the fields a tensor was stacked from. */
  readonly labels?: readonly string[];
}

/** What a result speaks of; integrations choose their entities by it. */
export type ResultKind =
  | 'classification' // {label, score, top: [{label, score}]}
  | 'detections' // {detections: [{label, score, box: [x0, y0, x1, y1]}]}, in fractions of the image
  | 'regions' // {regions: [{box, score, area}]}
  | 'anomaly' // {score, anomaly: boolean, threshold}
  | 'activity' // {active: boolean, score}
  | 'values' // any other numbers
  | 'merged'; // several of these under their own names

/** A value type as people read it. */
export function formatType(type: ValueType): string {
  if (type.kind === 'tensor') {
    const shape = type.shape.map((size) => (size < 0 ? '?' : size)).join(', ');
    return `${type.type}[${shape}]`;
  }
  return type.kind === 'result' ? `result (${type.of})` : type.kind;
}
