import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openForRuns, type RunningModel } from '../../src/compress/run-model.ts';
import { PLAIN_SAMPLES, sampleInputs } from '../../src/compress/sample-inputs.ts';
import type { InputPart } from '../../src/infer/protocol.ts';
import { CONTRIBUTED } from '../../src/onnx/edit-model.ts';
import { encodeModel } from '../../src/onnx/graph.ts';
import type { Model, Node, TensorRecord, ValueInfo } from '../../src/onnx/proto.ts';

const ROUNDS = 60;
const WARM_UP = 3;

/** A graph of a few nodes. */
export interface Kind {
  readonly nodes: readonly Node[];
  readonly constants: readonly TensorRecord[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
}

export interface KindOptions {
  readonly threads: number;
  /** Whether all are given the same numbers: then how far they are from the first is told. */
  readonly same?: boolean;
}

/**
 * Runs graphs that compute the same in turns and prints the lower quartile of their times.
 */
export async function compareKinds(
  title: string,
  kinds: Readonly<Record<string, Kind>>,
  { threads, same = false }: KindOptions,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'ledge-kinds-'));
  const running: { kind: string; model: RunningModel; sample: InputPart[]; times: number[] }[] = [];
  try {
    for (const [kind, parts] of Object.entries(kinds)) {
      const model = modelOf(parts);
      const file = join(folder, 'model.onnx');
      await writeFile(file, encodeModel(model));
      const opened = await openForRuns(file, model.graph!, { threads });
      running.push({
        kind,
        model: opened,
        sample: sampleInputs(model.graph!, PLAIN_SAMPLES),
        times: [],
      });
    }
    for (let round = -WARM_UP; round < ROUNDS; round += 1) {
      for (const { model, sample, times } of running) {
        const start = performance.now();
        await model.run(sample);
        if (round >= 0) times.push(performance.now() - start);
      }
    }
    process.stdout.write(`${title}\n`);
    const [wanted] = await running[0]!.model.run(running[0]!.sample);
    for (const { kind, model, sample, times } of running) {
      const [found] = await model.run(sample);
      let error = 0;
      for (const [at, value] of wanted!.data.entries()) {
        error = Math.max(error, Math.abs(Number(value) - Number(found!.data[at])));
      }
      const quarter = times.sort((a, b) => a - b)[Math.floor(ROUNDS / 4)] ?? 0;
      const off = same ? `, ${error.toExponential(1)} off the first` : '';
      process.stdout.write(`  ${kind.padEnd(34)}${quarter.toFixed(3)} ms${off}\n`);
    }
  } finally {
    for (const { model } of running) await model[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  }
}

function modelOf({ nodes, constants, inputs, outputs }: Kind): Model {
  const none = { unknown: [] } as const;
  return {
    ...none,
    irVersion: 8n,
    opsetImports: [
      { ...none, domain: '', version: 17n },
      { ...none, domain: CONTRIBUTED, version: 1n },
    ],
    metadata: [],
    functions: [],
    graph: {
      ...none,
      name: 'kind',
      nodes,
      initializers: constants,
      sparseInitializers: [],
      valueInfos: [],
      inputs,
      outputs,
    },
  };
}
