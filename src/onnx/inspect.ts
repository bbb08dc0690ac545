import type { NamedTensorSpec } from '../tensor/tensor.ts';

/** What an ONNX file says of itself, read without a runtime. */
export interface OnnxSummary {
  readonly irVersion: number;
  readonly producer: string;
  /** Version by operator domain; '' is ONNX's own. */
  readonly opsets: Readonly<Record<string, number>>;
  /** Graph inputs that are no initialisers, in order; symbolic dimensions are FREE. */
  readonly inputs: readonly NamedTensorSpec[];
  readonly outputs: readonly NamedTensorSpec[];
  /** How often each operator occurs, subgraphs included. */
  readonly operators: Readonly<Record<string, number>>;
  readonly parameters: number;
  readonly weightBytes: number;
  readonly fileBytes: number;
  /** By the type that holds most weight bytes: fp32, fp16, int8, int4. */
  readonly precision: string;
}

/** One reason why a model would not be run. */
export interface ModelProblem {
  /** The node, tensor or field it is about, as the file names it. */
  readonly where: string;
  readonly message: string;
}

export interface Inspection {
  /** Undefined where the file does not parse. */
  readonly summary: OnnxSummary | undefined;
  /** Empty: admitted. */
  readonly problems: readonly ModelProblem[];
}
