import { startBareLoop } from '../bare-loop.ts';
import type { Bench } from '../bench.ts';
import { startLedge } from '../ledge.ts';
import { IMAGE_SHAPE } from '../models.ts';
import { measureRounds } from '../rounds.ts';
import { createRow, type Row } from '../row.ts';
import { median } from '../statistics.ts';
import { firstResult, smallLoad } from '../system.ts';

/** Enough that the runtime never waits for the path, few enough that nothing piles up. */
const IN_FLIGHT = 4;
const WARMUP_MS = 1000;
const BARE_TARGET = 0.9;
/** One worker, one thread, as the bare loop has: what is compared is the path. */
const SETTINGS = ['inference.workers=1', 'inference.intraOpThreads=1'];
const FLOATS = IMAGE_SHAPE.reduce((product, size) => product * size, 1);

/** 150 k-float events through a MobileNetV2-shaped network, against the bare loop. */
export async function measureLarge(bench: Bench): Promise<readonly Row[]> {
  const { folder, models } = bench;
  const { model, path } = models.image;
  const { name: input, shape } = model.input;
  const ledge = await startLedge({ folder, flows: `${folder}/flows`, set: SETTINGS });
  const bare = await startBareLoop({ model: path, input, shape, threads: 1 });
  const rates: number[] = [];
  try {
    const large = ledge.flow('large');
    await firstResult(large, shape);
    const figures = await measureRounds(bench, {
      title: 'large',
      systems: [large],
      load: (system) =>
        smallLoad(system, {
          pace: { kind: 'closed', inFlight: IN_FLIGHT },
          devices: IN_FLIGHT,
          payload: { floats: FLOATS },
          warmupMs: WARMUP_MS,
          durationMs: bench.measureMs,
        }),
      async reference() {
        const { eventsPerSecond } = await bare.measure({ batch: 1, durationMs: bench.measureMs });
        rates.push(eventsPerSecond);
      },
    });
    const measured = figures.get('ledge')!;
    return [
      createRow({
        name: 'large, 4 in flight: throughput, of the bare loop',
        unit: 'events/s',
        ledge: measured.perSecond,
        reference: median(rates),
        judged: 'ratio >=',
        target: BARE_TARGET,
        note: 'reference: bare onnxruntime-node loop; both with one worker and one thread',
      }),
      createRow({
        name: 'large, 4 in flight: CPU per event',
        unit: 'ms',
        ledge: measured.cpuMsPerEvent,
        note: 'the whole node',
      }),
    ];
  } finally {
    bare.stop();
    await ledge.stop();
  }
}
