import type { Bench } from '../bench.ts';
import { writeManyFlows } from '../flows.ts';
import { startLedge } from '../ledge.ts';
import { runLoad } from '../load.ts';
import { residentBytes, watchResident } from '../process-tree.ts';
import { createRow, type Row } from '../row.ts';
import { firstResult, smallLoad } from '../system.ts';

const IN_FLIGHT = 64;
/** The multiple of 64 next to a thousand: each event in flight is of another device. */
const DEVICES_MANY = 1024;
const FLOWS_MANY = 50;
const WARMUP_MS = 1000;
const MIB = 1024 * 1024;

interface Size {
  readonly startMs: number;
  readonly idleMib: number;
  readonly loadedMib: number;
  readonly perSecond: number;
}

/** Resident memory idle and under load; how memory and throughput change with devices and flows. */
export async function measureGrowth(bench: Bench): Promise<readonly Row[]> {
  const { folder, models } = bench;
  const oneFlow = writeManyFlows(folder, models.keyword, 1);
  const manyFlows = writeManyFlows(folder, models.keyword, FLOWS_MANY);
  const single = await measureSize(bench, { flows: oneFlow, devices: 1, inFlight: 1 });
  const few = await measureSize(bench, { flows: oneFlow, devices: IN_FLIGHT });
  const devices = await measureSize(bench, { flows: oneFlow, devices: DEVICES_MANY });
  const flows = await measureSize(bench, { flows: manyFlows, devices: IN_FLIGHT });
  const mib = (name: string, ledge: number, reference: number) =>
    createRow({ name, unit: 'MiB', ledge, reference, note: 'resident, the whole process' });
  const rate = (name: string, ledge: Size) =>
    createRow({ name, unit: 'events/s', ledge: ledge.perSecond, reference: few.perSecond });
  return [
    createRow({
      name: 'memory: idle, one flow',
      unit: 'MiB',
      ledge: few.idleMib,
      note: 'resident, the whole process',
    }),
    mib('memory: under load (64 in flight), of idle', few.loadedMib, few.idleMib),
    mib('growth: memory under load, 1 to 1,024 devices', devices.loadedMib, single.loadedMib),
    mib('growth: memory under load, 64 to 1,024 devices', devices.loadedMib, few.loadedMib),
    rate('growth: throughput, 64 to 1,024 devices', devices),
    mib('growth: idle memory, 1 to 50 flows', flows.idleMib, few.idleMib),
    mib('growth: memory under load, 1 to 50 flows', flows.loadedMib, few.loadedMib),
    rate('growth: throughput, 1 to 50 flows', flows),
    createRow({
      name: 'growth: start, 1 to 50 flows',
      unit: 'ms',
      ledge: flows.startMs,
      reference: few.startMs,
      note: 'one model, shared by all flows',
    }),
  ];
}

async function measureSize(
  bench: Bench,
  served: { flows: string; devices: number; inFlight?: number },
): Promise<Size> {
  const { folder, models, measureMs } = bench;
  const { flows, devices, inFlight = IN_FLIGHT } = served;
  const ledge = await startLedge({ folder, flows });
  try {
    const system = ledge.flow('many-0');
    await firstResult(system, models.keyword.model.input.shape);
    const idleMib = residentBytes([ledge.pid]) / MIB;
    const stopWatching = watchResident([ledge.pid]);
    const load = smallLoad(system, {
      pace: { kind: 'closed', inFlight },
      devices,
      warmupMs: WARMUP_MS,
      durationMs: measureMs,
    });
    const { perSecond } = await runLoad(load, system.pids);
    const loadedMib = stopWatching() / MIB;
    bench.say(`growth: ${devices} devices, ${perSecond.toFixed(0)}/s, ${loadedMib.toFixed(0)} MiB`);
    return { startMs: ledge.startMs, idleMib, loadedMib, perSecond };
  } finally {
    await ledge.stop();
  }
}
