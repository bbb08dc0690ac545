import { join } from 'node:path';
import { formatTable } from '../../../src/cli/table.ts';
import type { Pace } from './live.ts';
import { measureCpu } from './measure-cpu.ts';
import { measureNotMe } from './measure-not-me.ts';
import { measureSessions } from './measure-session.ts';
import {
  LIVE_DEVICES,
  measureWake,
  THRESHOLDS,
  type VoiceData,
  type WakeRow,
} from './measure-wake.ts';
import { readRecordings } from './sounds.ts';

/** The parts of the evaluation, in the order in which they run. */
export const VOICE_PARTS = ['wake', 'session', 'cpu', 'not-me'] as const;
type Part = (typeof VOICE_PARTS)[number];

const HOURS = 2;
/** In noise every third word: each takes seven seconds of real time. */
const SESSIONS = [
  { decibels: undefined, every: 1 },
  { decibels: 20, every: 3 },
  { decibels: 10, every: 3 },
  { decibels: 5, every: 3 },
] as const;

export interface VoiceEvaluation {
  readonly data: string;
  readonly only: ReadonlySet<string>;
  readonly hours?: number;
  /** Called with each part's table as soon as it is there. */
  show(text: string): void;
}

/** Measures the voice flows and sessions through a real node, at the pace at which people speak. */
export async function evaluateVoice(options: VoiceEvaluation): Promise<Record<string, unknown>> {
  const { only, show } = options;
  const wanted = (part: Part) => only.size === 0 || only.has(part);
  const data = await readVoiceData(options.data);
  const found: Record<string, unknown> = {};
  if (wanted('wake')) {
    const { rows, pace } = await measureWake(data, options.hours ?? HOURS);
    found.wake = { thresholds: THRESHOLDS, rows, pace };
    show(formatTable(rows.map(wakeRow)));
    show(paceText(pace, LIVE_DEVICES));
  }
  if (wanted('session')) {
    const rows = [];
    for (const kind of SESSIONS) {
      const { row, pace } = await measureSessions(data, kind);
      rows.push({ ...row, pace });
      show(formatTable([sessionRow(row)]));
    }
    found.session = rows;
  }
  if (wanted('cpu')) {
    const rows = await measureCpu();
    found.cpu = rows;
    show(formatTable(rows.map((row) => textOf({ ...row }))));
  }
  if (wanted('not-me')) {
    const row = await measureNotMe(data);
    found['not-me'] = row;
    show(formatTable([textOf({ ...row })]));
  }
  return found;
}

async function readVoiceData(folder: string): Promise<VoiceData> {
  const read = (name: string) => readRecordings(join(folder, name));
  const wakeWords = await read('wake-words');
  const [kitchen] = await read('noise');
  return {
    words: wakeWords.filter(({ folder: of }) => of === 'computer'),
    otherWords: wakeWords.filter(({ folder: of }) => of !== 'computer'),
    orders: await read('spoken-commands'),
    dev: await read('speech-commands/dev'),
    speech: await read('speech'),
    kitchen: kitchen?.samples ?? new Int16Array(0),
  };
}

function wakeRow({ kind, name, amount, wakes, flow }: WakeRow): Record<string, string> {
  const unit = kind === 'word' ? 'words' : 'hours';
  const at = THRESHOLDS.map((threshold, index) => [`at ${threshold}`, String(wakes[index])]);
  return {
    sound: name,
    amount: `${Math.round(amount * 1000) / 1000} ${unit}`,
    ...Object.fromEntries(at),
    'the flow': String(flow),
  };
}

function sessionRow(row: Awaited<ReturnType<typeof measureSessions>>['row']) {
  const { latencyMs, wakeMs, ...rest } = row;
  return textOf({
    ...rest,
    'p50 ms': latencyMs.p50,
    'p95 ms': latencyMs.p95,
    'max ms': latencyMs.max,
    'wake p50 ms': wakeMs.p50,
    'wake p95 ms': wakeMs.p95,
  });
}

function textOf(row: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      typeof value === 'number' ? String(Math.round(value * 1000) / 1000) : String(value),
    ]),
  );
}

function paceText({ chunks, lateMsP99, lateMsMax }: Pace, devices: number): string {
  const late = `99 % within ${lateMsP99.toFixed(1)} ms, all within ${lateMsMax.toFixed(1)} ms`;
  return `${devices} live devices; of ${chunks} chunks ${late} of their time\n`;
}
