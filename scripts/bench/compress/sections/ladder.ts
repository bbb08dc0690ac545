import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openForRuns, type RunningModel } from '../../../../src/compress/run-model.ts';
import { PLAIN_SAMPLES, sampleInputs } from '../../../../src/compress/sample-inputs.ts';
import { inspectModel } from '../../../../src/onnx/inspect.ts';
import { readModelFile } from '../../../../src/onnx/model-file.ts';
import { z } from '../../../../src/std/schema.ts';
import { formatProblem, parseWith, parseYaml } from '../../../../src/std/yaml.ts';
import type { CompressBench, SectionResult } from '../section.ts';
import { formatSpread, ratiosOf, takeTurns } from '../turns.ts';

const FLOWS = fileURLToPath(new URL('../../../../flows/', import.meta.url));
const RUNS_PER_TURN = 10;
/** What the keyword models' time is told in. */
const REFERENCE = 'kws_ref';

const accuracy = z
  .array(z.looseObject({ metric: z.string(), value: z.number(), data: z.string() }))
  .default([]);
const rung = { file: z.string(), precision: z.string().default('fp32'), accuracy };
/** The fields of a manifest that are read here. */
const schema = z.looseObject({
  ...rung,
  ladder: z.array(z.looseObject({ name: z.string(), ...rung })).default([]),
});

interface Rung {
  readonly flow: string;
  readonly name: string;
  readonly file: string;
  readonly precision: string;
  readonly accuracy: z.output<typeof accuracy>;
}

/** The default models and their rungs: size, parameters, speed, and accuracy as their manifests tell it. */
export async function measureLadders(bench: CompressBench): Promise<SectionResult> {
  const lines: (readonly string[])[] = [];
  for (const flow of readdirSync(FLOWS).sort()) {
    const rungs = rungsOf(flow);
    if (rungs.length > 0) lines.push(...(await measureFlow(bench, rungs)));
  }
  return {
    rows: [],
    tables: [
      {
        title: 'The default models and their rungs',
        how: `Each flow's model.yaml: the first line is the model, the others the
rungs of its ladder. One thread, in turns with each other and with ${REFERENCE}. Accuracy is told by
the manifest, not measured here.`,
        head: [
          'flow',
          'rung',
          'precision',
          'kB',
          'parameters',
          'faster than the first',
          `time of ${REFERENCE}`,
          'accuracy, told',
        ],
        lines,
      },
    ],
  };
}

function rungsOf(flow: string): readonly Rung[] {
  const folder = join(FLOWS, flow);
  const path = join(folder, 'model.yaml');
  if (!existsSync(path)) return [];
  const yaml = parseYaml(readFileSync(path, 'utf8'), path);
  const parsed = yaml.kind === 'ok' ? parseWith(schema, yaml.value) : yaml;
  if (parsed.kind !== 'ok') throw new Error(parsed.problems.map(formatProblem).join('; '));
  const { ladder, ...first } = parsed.value as z.output<typeof schema>;
  return [{ ...first, name: 'first' }, ...ladder].map((one) => ({
    flow,
    name: one.name,
    file: join(folder, one.file),
    precision: one.precision,
    accuracy: one.accuracy,
  }));
}

async function measureFlow(bench: CompressBench, rungs: readonly Rung[]) {
  const runs = new Map<string, () => Promise<unknown>>();
  const opened: RunningModel[] = [];
  const add = async (name: string, file: string) => {
    const { graph } = (await readModelFile(file)).model;
    const model = await openForRuns(file, graph!);
    const sample = sampleInputs(graph!, PLAIN_SAMPLES);
    opened.push(model);
    runs.set(name, () => model.run(sample));
  };
  for (const { name, file } of rungs) await add(name, file);
  const reference = join(bench.data ?? '', 'models/mlperf-tiny/kws_ref.onnx');
  if (bench.data !== undefined) await add(REFERENCE, reference);
  const times = await takeTurns([...runs.keys()], bench.rounds, async (name) => {
    const run = runs.get(name)!;
    await run();
    const from = performance.now();
    for (let at = 0; at < RUNS_PER_TURN; at += 1) await run();
    return (performance.now() - from) / RUNS_PER_TURN;
  });
  for (const model of opened) await model[Symbol.asyncDispose]();
  const kept = [];
  for (const one of rungs) kept.push(await lineOf(one, { times, first: rungs[0]!.name }));
  return kept;
}

interface Timed {
  readonly times: ReadonlyMap<string, readonly number[]>;
  readonly first: string;
}

async function lineOf(rung: Rung, { times, first }: Timed): Promise<readonly string[]> {
  const { summary } = await inspectModel(rung.file);
  const own = times.get(rung.name)!;
  const reference = times.get(REFERENCE);
  return [
    rung.flow,
    rung.name,
    rung.precision,
    (statSync(rung.file).size / 1000).toFixed(0),
    String(summary?.parameters ?? ''),
    formatSpread(ratiosOf(times.get(first)!, own)),
    reference === undefined ? '' : formatSpread(ratiosOf(own, reference)),
    rung.accuracy.map(({ metric, value }) => `${metric} ${value}`).join(', '),
  ];
}
