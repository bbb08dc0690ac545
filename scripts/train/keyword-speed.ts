import { basename } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { formatTable } from '../../src/cli/table.ts';

/** What each model takes for one clip: log-mel of ours, cepstrum of MLPerf Tiny's. */
const SHAPES: Readonly<Record<string, readonly number[]>> = { mel: [49, 40], t0: [49, 10, 1] };
const ROUNDS = 150;
/** In a round each model has so many turns, and its best counts: others use the machine as well. */
const TURNS = 4;
/** Runs of one turn, by clips of one run. */
const RUNS: Readonly<Record<number, number>> = { 1: 20, 32: 2 };

type Timed = (clips: number) => Promise<number>;

/** Milliseconds of one clip, the mean of a turn, on one thread. */
async function openTimed(path: string): Promise<Timed> {
  const session = await InferenceSession.create(path, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
  const name = session.inputNames[0]!;
  return async (clips) => {
    const shape = [clips, ...(SHAPES[name] ?? [])];
    const size = shape.reduce((product, axis) => product * axis);
    const data = Float32Array.from({ length: size }, (_, at) => Math.sin(at * at));
    const feed = { [name]: new Tensor('float32', data, shape) };
    const runs = RUNS[clips] ?? 1;
    const started = performance.now();
    for (let run = 0; run < runs; run += 1) await session.run(feed);
    return (performance.now() - started) / runs / clips;
  };
}

async function bestOf(timed: Timed, clips: number): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let turn = 0; turn < TURNS; turn += 1) best = Math.min(best, await timed(clips));
  return best;
}

function at(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * share)]!;
}

/** Each model in turns with the first one: time of a clip, and its ratio to the first one's. */
async function compareSpeed([reference = '', ...paths]: readonly string[]): Promise<void> {
  const first = await openTimed(reference);
  const rows: Record<string, string>[] = [];
  for (const path of paths) {
    const model = await openTimed(path);
    for (const clips of [1, 32]) {
      const pairs: [number, number][] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        pairs.push([await bestOf(first, clips), await bestOf(model, clips)]);
      }
      const ratios = pairs.map(([before, after]) => after / before);
      rows.push({
        model: basename(path),
        clips: String(clips),
        'us a clip': (
          1000 *
          at(
            pairs.map(([, after]) => after),
            0.5,
          )
        ).toFixed(1),
        'first, us': (
          1000 *
          at(
            pairs.map(([before]) => before),
            0.5,
          )
        ).toFixed(1),
        ratio: at(ratios, 0.5).toFixed(3),
        'eight in ten': `${at(ratios, 0.1).toFixed(3)}-${at(ratios, 0.9).toFixed(3)}`,
      });
    }
  }
  process.stdout.write(formatTable(rows));
}

await compareSpeed(process.argv.slice(2));
