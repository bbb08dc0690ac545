import type { Bench } from '../bench.ts';
import { startLedge } from '../ledge.ts';
import { startPeers } from '../peer-set.ts';
import { createRow, type Row } from '../row.ts';
import { median } from '../statistics.ts';
import { firstResult } from '../system.ts';

const READY_MS_TARGET = 3000;

/** From spawn to the ready line, and to the first result of an event that waits for the node. */
export async function measureStart(bench: Bench): Promise<readonly Row[]> {
  const { folder, models } = bench;
  const { shape } = models.keyword.model.input;
  const ready: number[] = [];
  const first: number[] = [];
  const plain: number[] = [];
  for (let round = 1; round <= bench.rounds; round += 1) {
    const ledge = await startLedge({ folder, flows: `${folder}/flows` });
    const readyAtMs = performance.now();
    await firstResult(ledge.flow('small'), shape);
    ready.push(ledge.startMs);
    first.push(ledge.startMs + performance.now() - readyAtMs);
    await ledge.stop();
    const startedAtMs = performance.now();
    const peers = await startPeers(bench, { names: ['plain'], protocol: 4, qos: 0 });
    if (peers.systems.length > 0) plain.push(performance.now() - startedAtMs);
    await peers.stop();
    bench.say(`start, round ${round} of ${bench.rounds}: ${first.at(-1)!.toFixed(0)} ms`);
  }
  return [
    createRow({
      name: 'start: ready line',
      unit: 'ms',
      ledge: median(ready),
      judged: 'ledge <=',
      target: READY_MS_TARGET,
      note: 'three flows and three models',
    }),
    createRow({
      name: 'start: first result',
      unit: 'ms',
      ledge: median(first),
      ...(plain.length === 0 ? {} : { reference: median(plain) }),
      note: 'reference: mosquitto and the plain script with one model',
    }),
  ];
}
