import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { openClient } from '../../src/bus/client.ts';
import { configOf } from '../../src/cli/node-options.ts';
import { formatTable } from '../../src/cli/table.ts';
import type { Dataset, Evaluated, EvaluatedEvent } from '../../src/evaluate/dataset.ts';
import { openDataset } from '../../src/evaluate/open-dataset.ts';
import { groupsOf, type Metrics, scoreAll } from '../../src/evaluate/score.ts';
import { LedgeError } from '../../src/std/error.ts';
import { packagePath } from '../../src/std/package.ts';
import { type NabFile, readNab } from './nab-data.ts';
import { evaluateNab } from './nab-evaluate.ts';
import { NODE_NAME, startNodeProcess } from './node-process.ts';
import { type SentAll, sendAll } from './send-all.ts';
import { evaluateTeach } from './teach/evaluate-teach.ts';
import { evaluateVoice, VOICE_PARTS } from './voice/evaluate-voice.ts';

const USAGE = `Usage: npm run -s evaluate -- <flow> --data <folder> [options]

Runs labelled data through a flow of a real node, over MQTT, and prints how well it did.
  --data   <label>/*.wav|flac, <class>/*.jpg|png ("free" is the good class), or SKAB's **/*.csv,
           or the Numenta benchmark (data/ beside labels/) or a folder of its data/
  --json   {"flow", "events", "metrics"} alone on stdout
  --limit  the first N events of each label or class, or the first N files of series
  --split  figures by label, class or folder too
  --flows  folder of flows; default the package's own

       npm run -s evaluate -- voice --data <folder> [--json] [--only <parts>] [--hours N]

Plays voice data to the voice flows and sessions of a node, at the pace of live microphones.
  --only   some of ${VOICE_PARTS.join(', ')}
  --hours  sound in which nobody means the node; default 2

       npm run -s evaluate -- teach --data <folder> [--json] [--svg <file>]

Teaches labels that no model was trained on from 2 to 20 examples, and judges by other sources.
  --data   the folder that has voice/ and camera/
  --svg    draws the curve
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    data: { type: 'string' },
    flows: { type: 'string' },
    json: { type: 'boolean', default: false },
    hours: { type: 'string' },
    limit: { type: 'string' },
    only: { type: 'string' },
    split: { type: 'boolean', default: false },
    svg: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

const [flow] = positionals;
if (values.help || flow === undefined || values.data === undefined) {
  process.stderr.write(USAGE);
  process.exitCode = values.help ? 0 : 2;
} else {
  try {
    if (flow === 'voice') await evaluateSessions(values.data);
    else if (flow === 'teach') await evaluateLessons(values.data);
    else await evaluate(flow, values.data);
  } catch (error) {
    if (!(error instanceof LedgeError)) throw error;
    process.stderr.write(`evaluate: ${error.message}\n`);
    process.exitCode = 1;
  }
}

async function evaluateSessions(data: string): Promise<void> {
  const found = await evaluateVoice({
    data: resolve(data),
    only: new Set(values.only?.split(',') ?? []),
    ...(values.hours !== undefined && { hours: Number(values.hours) }),
    show: (text) => void (values.json ? process.stderr : process.stdout).write(text),
  });
  if (values.json) process.stdout.write(`${JSON.stringify({ voice: found })}\n`);
}

async function evaluateLessons(data: string): Promise<void> {
  const rows = await evaluateTeach({
    data: resolve(data),
    ...(values.svg !== undefined && { svg: values.svg }),
    show: (text) => void (values.json ? process.stderr : process.stdout).write(text),
  });
  if (values.json) process.stdout.write(`${JSON.stringify({ teach: rows })}\n`);
}

async function evaluate(name: string, data: string): Promise<void> {
  const nab = await readNab(resolve(data));
  if (nab !== undefined) return evaluateSeries(name, nab);
  const limit = values.limit === undefined ? undefined : Number(values.limit);
  await using dataset = await openDataset(resolve(data), limit);
  const sent = await run(name, dataset.events);
  const metrics = await scoreAll(dataset.form, sent.events);
  const counted = sent.events.filter(({ event }) => event.counted);
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ flow: name, events: counted.length, metrics })}\n`);
  } else {
    process.stdout.write(formatTable(await rowsOf(dataset.form, sent.events, metrics)));
  }
  process.stderr.write(accountOf(sent));
}

async function evaluateSeries(name: string, files: readonly NabFile[]): Promise<void> {
  const config = await configOf({ positionals: [], values: { flows: values.flows } });
  const rows = await evaluateNab(name, files, config);
  const cells = rows.map((row) =>
    Object.fromEntries(Object.entries(row).map(([key, value]) => [key, String(value)])),
  );
  const json = JSON.stringify({ flow: name, nab: rows });
  process.stdout.write(values.json ? `${json}\n` : formatTable(cells));
}

async function run(name: string, events: readonly EvaluatedEvent[]): Promise<SentAll> {
  await using node = await startNodeProcess(resolve(values.flows ?? packagePath('flows')));
  const found = node.flows.find((one) => one.name === name);
  if (found?.in === undefined || found.out === undefined) {
    const there = node.flows.map((one) => `${one.name} (${one.state ?? 'running'})`).join(', ');
    throw new LedgeError(
      'not-found',
      `Flow "${name}" does not run (ledge check says why); there are ${there || 'none'}`,
    );
  }
  await using bus = await openClient({ url: node.mqtt });
  const topics = { node: NODE_NAME, flow: name, in: found.in, out: found.out };
  return await sendAll(bus, topics, { events, onProgress: progress(events.length) });
}

/** A line on a terminal that is written over, every so many events. */
function progress(total: number): (done: number) => void {
  if (!process.stderr.isTTY) return () => undefined;
  return (done) => {
    if (done % 50 === 0) process.stderr.write(`\r${done}/${total} events`);
    if (done === total) process.stderr.write('\r\u001b[K');
  };
}

async function rowsOf(
  form: Dataset['form'],
  evaluated: readonly Evaluated[],
  metrics: Metrics,
): Promise<Record<string, string>[]> {
  const count = (of: readonly Evaluated[]) => of.filter(({ event }) => event.counted).length;
  const row = (group: string, of: readonly Evaluated[], figures: Metrics) => ({
    group,
    events: String(count(of)),
    ...Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, String(value)])),
  });
  const rows = [row('all', evaluated, metrics)];
  if (!values.split) return rows;
  for (const [group, of] of groupsOf(evaluated)) {
    // F1 over classes says nothing of one class alone.
    const { macroF1: _, ...figures } = await scoreAll(form, of);
    rows.push(row(group, of, figures));
  }
  return rows;
}

/** What had no result, and why, so that nothing is lost without a word. */
function accountOf({ events, dropped }: SentAll): string {
  const counted = events.filter(({ event }) => event.counted);
  const failed = events.filter(({ error }) => error !== undefined);
  const silent = counted.filter((one) => one.results.length === 0 && one.error === undefined);
  const learned = events.length - counted.length;
  const lines = [
    ...(learned > 0 ? [`${learned} events were only learned from`] : []),
    ...(failed.length > 0
      ? [
          `${failed.length} events failed, the first: ${failed[0]?.event.name}: ` +
            JSON.stringify(failed[0]?.error),
        ]
      : []),
    ...(silent.length > 0
      ? [`${silent.length} events had no result, the first: ${silent[0]?.event.name}`]
      : []),
    ...Object.entries(dropped).map(([reason, count]) => `${count} events were dropped: ${reason}`),
  ];
  return lines.map((line) => `${line}\n`).join('');
}
