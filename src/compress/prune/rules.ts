import type { Node } from '../../onnx/proto.ts';
import type { Axes, Walk } from './walk.ts';

/** Follows the units through a node: from the axes of its inputs to those of its outputs. */
export type Rule = (node: Node, walk: Walk) => readonly Axes[];

/** Rules by the name of the operator. */
export type Rules = ReadonlyMap<string, Rule>;
