import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { InputPart, OutputPart } from '../../infer/protocol.ts';
import { createNode, createValueInfo } from '../../onnx/build.ts';
import { elementTypeCode } from '../../onnx/element-type.ts';
import { encodeModel } from '../../onnx/graph.ts';
import { createGraphEditor } from '../../onnx/graph-editor.ts';
import { namesOf } from '../../onnx/names-within.ts';
import type { Graph, Model } from '../../onnx/proto.ts';
import { fromFloat16Bits } from '../../tensor/float16.ts';
import { addWholes } from '../add-wholes.ts';
import type { PassContext } from '../pass.ts';
import { openForRuns, type RunningModel } from '../run-model.ts';
import type { Groups } from './groups.ts';
import { type Summed, type Walk, withInput } from './walk.ts';

/** Each group costs a run for each sample; of more, neighbours in importance are closed together. */
const RUNS_MAX = 2048;
const SAMPLES_MAX = 8;
const HALF = elementTypeCode('float16');

export interface GateOptions {
  readonly model: Model;
  readonly walk: Walk;
  readonly context: PassContext;
  /** How far a gate is closed: 1 is shut. */
  readonly step: number;
  /** An order of the groups of a layer: those that must share a run are neighbours in it. */
  readonly order: readonly number[];
}

/**
 * How much the outputs change as a gate on each group is closed a little: the squared change over the
 * squared outputs and the squared step, the mean of the samples. For a small step this is the first
 * term of the Taylor series of the squared error of the outputs at the whole model, its Gauss-Newton
 * diagonal: the gradient of that error is zero there.
 */
export async function measureGates(
  groups: Groups,
  { model, walk, context, step, order }: GateOptions,
): Promise<readonly number[]> {
  const scores = new Array<number>(groups.all.length).fill(0);
  if (groups.all.length === 0) return scores;
  const file = join(context.folder, 'gates.onnx');
  const gated = withGates(model, walk, groups);
  await writeFile(file, encodeModel(gated));
  await using running = await openForRuns(file, gated.graph!);
  const samples = context.samples.slice(0, SAMPLES_MAX);
  const halves = gated.graph!.outputs.map(({ type }) => type?.tensor?.elementType === HALF);
  const decoded = (outputs: readonly OutputPart[]) =>
    outputs.map(({ data }, at) =>
      Float64Array.from(data as ArrayLike<number | bigint>, (value) =>
        halves[at] ? fromFloat16Bits(Number(value)) : Number(value),
      ),
    );
  const blocks = blocksOf(groups, order, Math.ceil((scores.length * samples.length) / RUNS_MAX));
  for (const sample of samples) {
    const gates = new Float32Array(scores.length + 1).fill(1);
    const whole = decoded(await runWith(running, sample, gates));
    for (const block of blocks) {
      for (const group of block) gates[group] = 1 - step;
      const change = changeOf(whole, decoded(await runWith(running, sample, gates)));
      for (const group of block) {
        gates[group] = 1;
        scores[group]! += change / (step ** 2 * samples.length * block.length);
      }
    }
  }
  return scores;
}

function blocksOf({ all, layers }: Groups, order: readonly number[], size: number) {
  return Array.from({ length: layers }, (_, layer) => layer).flatMap((layer) => {
    const members = [...all.keys()].filter((group) => all[group]!.layer === layer);
    members.sort((a, b) => order[a]! - order[b]!);
    return Array.from({ length: Math.ceil(members.length / size) }, (_, at) =>
      members.slice(at * size, (at + 1) * size),
    );
  });
}

/** The model with one more input, a factor for each group, on all that sums over what can go. */
function withGates(model: Model, walk: Walk, groups: Groups): Model {
  const graph = model.graph!;
  const taken = namesOf(model);
  const editor = createGraphEditor(graph, { constantOf: () => undefined, taken });
  const indexOf = new Map(groups.all.map(({ root }, at) => [root, at]));
  const stays = groups.all.length;
  const gates = editor.freshName('gates');
  const current = new Map(graph.nodes.map((node) => [node, node]));
  for (const summed of walk.found.summed) {
    const places = placesOf(summed, (unit) => indexOf.get(walk.units.rootOf(unit)) ?? stays);
    if (places.every((place) => place === stays)) continue;
    const name = editor.freshName(`${gates}_of`);
    const ones = Array.from({ length: summed.fromLast - 1 }, () => 1);
    const index = addWholes(editor, name, places);
    const shape = addWholes(editor, name, [places.length, ...ones]);
    const node = current.get(summed.node)!;
    const x = node.inputs[summed.at] ?? '';
    const type = halfOf(summed) ? HALF : elementTypeCode('float32');
    const parts = ['picked', 'cast', 'shaped', 'gated'].map((part) => `${name}_${part}`);
    const [picked = '', cast = '', shaped = '', gated = ''] = parts;
    editor.add(
      createNode({ operator: 'Gather', inputs: [gates, index], outputs: [picked] }),
      createNode({
        operator: 'Cast',
        inputs: [picked],
        outputs: [cast],
        attributes: { to: BigInt(type) },
      }),
      createNode({ operator: 'Reshape', inputs: [cast, shape], outputs: [shaped] }),
      createNode({ operator: 'Mul', inputs: [x, shaped], outputs: [gated] }),
    );
    const next = withInput(node, summed.at, gated);
    editor.replace(node, next);
    current.set(summed.node, next);
  }
  const done = editor.finish();
  const input = createValueInfo(gates, 'float32', [stays + 1]);
  const opened: Graph = { ...done, valueInfos: [], inputs: [...done.inputs, input] };
  return { ...model, graph: opened };

  /** What is summed has the type of the weights beside it. */
  function halfOf({ node }: Summed): boolean {
    return walk.found.readings.some((one) => one.node === node && one.record.dataType === HALF);
  }
}

function placesOf({ axis }: Summed, indexOf: (unit: number) => number): readonly number[] {
  return [...(axis.units ?? [])].map(indexOf);
}

function runWith(running: RunningModel, sample: readonly InputPart[], gates: Float32Array) {
  const { buffer, byteOffset } = gates.slice();
  return running.run([...sample, { shape: [gates.length], buffer, byteOffset }]);
}

/** The mean over the outputs of the squared change over the squared values. */
function changeOf(whole: readonly Float64Array[], found: readonly Float64Array[]): number {
  let sum = 0;
  for (const [at, values] of whole.entries()) {
    let [energy, error] = [0, 0];
    for (const [place, value] of values.entries()) {
      energy += value ** 2;
      error += (value - found[at]![place]!) ** 2;
    }
    if (energy > 0 && Number.isFinite(error)) sum += error / energy;
  }
  return sum / whole.length;
}
