import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench } from '../bench.ts';
import { writeJournalFlows } from '../flows.ts';
import { startLedge } from '../ledge.ts';
import { type Figures, measureRounds } from '../rounds.ts';
import { createRow, type Row } from '../row.ts';
import { firstResult, smallLoad } from '../system.ts';

const IN_FLIGHT = 64;
const WARMUP_MS = 1000;
/** What the journal may leave of the throughput without one. */
const RATIO_TARGET = 0.7;

const SYNCS = ['batch', 'always', 'off'] as const;

/** 490-float events of QoS 1 through the keyword model, with the journal and without. */
export async function measureJournal(bench: Bench): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const sync of SYNCS) {
    const figures = await measure(bench, sync);
    rows.push(...rowsOf(sync, { kept: figures.get('kept')!, unkept: figures.get('unkept')! }));
  }
  return rows;
}

async function measure(
  bench: Bench,
  sync: (typeof SYNCS)[number],
): Promise<ReadonlyMap<string, Figures>> {
  const { models } = bench;
  const folder = join(bench.folder, 'journal');
  mkdirSync(folder, { recursive: true });
  const ledge = await startLedge({
    folder,
    flows: writeJournalFlows(bench.folder, models.keyword),
    set: [`journal.sync=${sync}`],
  });
  try {
    const systems = ['kept', 'unkept'].map((name) => ({ ...ledge.flow(name), name }));
    for (const system of systems) await firstResult(system, models.keyword.model.input.shape);
    return await measureRounds(bench, {
      title: `journal ${sync}, ${IN_FLIGHT} in flight, QoS 1`,
      systems,
      load: (system) => ({
        ...smallLoad(system, {
          pace: { kind: 'closed', inFlight: IN_FLIGHT },
          devices: IN_FLIGHT,
          warmupMs: WARMUP_MS,
          durationMs: bench.measureMs,
        }),
        qos: 1,
      }),
    });
  } finally {
    await ledge.stop();
  }
}

function rowsOf(
  sync: string,
  { kept, unkept }: { readonly kept: Figures; readonly unkept: Figures },
): readonly Row[] {
  const name = `journal ${sync}, small, 64 in flight, QoS 1`;
  return [
    createRow({
      name: `${name}: throughput, of the flow without`,
      unit: 'events/s',
      ledge: kept.perSecond,
      reference: unkept.perSecond,
      ...(sync === 'batch' && { judged: 'ratio >=', target: RATIO_TARGET }),
      note: 'reference: the same flow with delivery at-most-once',
    }),
    createRow({
      name: `${name}: CPU per event, of the flow without`,
      unit: 'ms',
      ledge: kept.cpuMsPerEvent,
      reference: unkept.cpuMsPerEvent,
      note: '',
    }),
  ];
}
