import { readFile } from 'node:fs/promises';
import { chatter } from './chatter.ts';
import { playLive } from './live.ts';
import { createRandom, joined, room } from './sounds.ts';
import { startVoiceNode } from './voice-node.ts';

/** Linux counts CPU time in these. */
const TICKS_PER_SECOND = 100;
const SECONDS = 30;
const LIVE = [1, 4, 8, 16] as const;

/** What so many live microphones cost. */
export interface CpuRow {
  readonly live: number;
  /** CPU seconds of the node in a second: of one core. */
  readonly cores: number;
  readonly perMicrophone: number;
  /** The same with the cost of the node without any taken away. */
  readonly microphonesPerCore: number;
}

/** CPU of a node whose microphones hear speech and silence in equal parts. */
export async function measureCpu(): Promise<readonly CpuRow[]> {
  const random = createRandom(31);
  const said = chatter(60, random);
  await using node = await startVoiceNode();
  const rows: CpuRow[] = [];
  for (const live of LIVE) {
    const stretches = Array.from({ length: live }, (_, index) => {
      const parts: Int16Array[] = [];
      for (let length = 0, at = index; length < SECONDS * 16_000; at++) {
        const speech = said[at % said.length]!;
        parts.push(speech, room(speech.length / 16_000, random));
        length += 2 * speech.length;
      }
      return { samples: joined(...parts).subarray(0, SECONDS * 16_000) };
    });
    const devices = stretches.map((_, index) => `mic-${index}`);
    const before = await cpuSeconds(node.processId);
    const startMs = performance.now();
    await playLive(node.bus, devices, stretches);
    const seconds = (performance.now() - startMs) / 1e3;
    const cores = ((await cpuSeconds(node.processId)) - before) / seconds;
    rows.push({ live, cores, perMicrophone: cores / live, microphonesPerCore: live / cores });
  }
  return rows;
}

/** User and system time of a process with all its threads. */
async function cpuSeconds(processId: number): Promise<number> {
  const text = await readFile(`/proc/${processId}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
