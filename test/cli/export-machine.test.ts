import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Terminal } from '../../src/cli/command.ts';
import { model } from '../../src/cli/commands/model.ts';
import { loadOrFail, openWorkbench, type Workbench } from '../../src/cli/flow-folder.ts';
import { configOf } from '../../src/cli/node-options.ts';
import { createEvent, runCase } from '../../src/flow/case.ts';
import { createPlan, type Plan } from '../../src/flow/plan.ts';
import { createMemoryState } from '../../src/flow/state.ts';
import { loadModel } from '../../src/models/store.ts';
import type { NodeConfig } from '../../src/node/config.ts';
import { packagePath } from '../../src/std/package.ts';
import { openStateFiles } from '../../src/store/state-files.ts';
import { sharedData } from '../harness/shared-data.ts';

const FLOW = packagePath('flows/machine-anomaly');
const ROWS = join(FLOW, 'samples/pump-1-normal.jsonl');
const FAULTS = join(FLOW, 'samples/pump-2-faults.jsonl');

let root = '';
let config: NodeConfig;
let workbench: Workbench;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'ledge-export-'));
  config = await configOf({ positionals: [], values: {} });
  workbench = await openWorkbench(config);
});

afterAll(async () => {
  await workbench[Symbol.asyncDispose]();
  await rm(root, { recursive: true });
});

async function run(words: readonly string[], values: Readonly<Record<string, string | boolean>>) {
  let out = '';
  const terminal: Terminal = {
    stdout: { write: (text) => (out += text) },
    stderr: { write: () => true },
    signal: new AbortController().signal,
  };
  const code = await model.run({ positionals: ['export', ...words], values }, terminal);
  return { code, out };
}

async function open(folder: string) {
  const { parts } = await loadOrFail(folder, workbench);
  return { parts, plan: createPlan(parts, createMemoryState()) };
}

/** What a plan says of records, one after the other. */
async function resultsOf(plan: Plan, lines: readonly string[], device = 'pump') {
  const said: Readonly<Record<string, unknown>>[] = [];
  for (const [at, line] of lines.entries()) {
    const event = { device, topic: `x/${device}`, payload: Buffer.from(line), ts: at * 1000 };
    const { results, end } = await plan.process(createEvent(event));
    if (end.kind === 'fail') throw end.error;
    said.push(...results.map(({ result }) => result));
  }
  return said;
}

const linesOf = async (file: string) => (await readFile(file, 'utf8')).trim().split('\n');

/** The same anomalies, thresholds and causes, the same scores to the digits that are told. */
function expectAlike(
  said: readonly Readonly<Record<string, unknown>>[],
  expected: readonly Readonly<Record<string, unknown>>[],
): void {
  expect(said).toHaveLength(expected.length);
  said.forEach((one, at) => {
    const other = expected[at] ?? {};
    const room = 1.1e-4 + 1e-5 * Number(other.score);
    expect(Math.abs(Number(one.score) - Number(other.score))).toBeLessThanOrEqual(room);
    expect(one.anomaly).toBe(other.anomaly);
  });
}

describe('ledge model export', () => {
  test('writes a flow that says what the flow it comes from says, and passes its own tests', async () => {
    const out = join(root, 'pump-rows');
    const { code } = await run([FLOW], { rows: ROWS, out, device: 'pump' });
    expect(code).toBe(0);
    expect((await loadModel(out)).identity.name).toBe('machine-anomaly-pump');
    const { parts, plan } = await open(out);
    for (const one of parts.tests) {
      const fresh = createPlan(parts, createMemoryState());
      expect(await runCase(fresh, one, out)).toMatchObject({ passed: true, differences: [] });
    }
    expect(parts.tests).toHaveLength(2);
    const original = (await open(FLOW)).plan;
    await resultsOf(original, await linesOf(ROWS));
    const faults = await linesOf(FAULTS);
    const [said, expected] = [await resultsOf(plan, faults), await resultsOf(original, faults)];
    expectAlike(said, expected);
    expect(said.at(-1)?.top).toMatchObject([{ field: 'pressure' }, { field: 'flow' }, {}]);
  });

  test('takes what a device of a node has learned, with the drift that it followed', async () => {
    const data = join(root, 'data');
    const states = await openStateFiles(join(data, 'state', 'machine-anomaly'), () => undefined);
    const { parts } = await loadOrFail(FLOW, workbench);
    const store = createMemoryState();
    const plan = createPlan(parts, store);
    await resultsOf(plan, await linesOf(ROWS), 'pump 1');
    plan.save();
    states.set('pump 1', store.load('pump 1'));
    await states.flush();
    const out = join(root, 'pump-kept');
    const { code, out: told } = await run([FLOW], { data, device: 'pump 1', out, json: true });
    expect(code).toBe(0);
    expect(JSON.parse(told)).toMatchObject({ from: 'device pump 1', window: 20 });
    const faults = await linesOf(FAULTS);
    const { plan: exported } = await open(out);
    expectAlike(await resultsOf(exported, faults), await resultsOf(plan, faults, 'pump 1'));
    const absent = run([FLOW], { data, device: 'pump 2', out, json: true });
    await expect(absent).rejects.toMatchObject({ code: 'not-found' });
  });

  test('learns from CSV, whatever column tells the time', async () => {
    const csv = join(root, 'rows.csv');
    const rows = Array.from({ length: 400 }, (_, at) => `${at};${Math.sin(at)};${at % 7}`);
    await writeFile(csv, ['Timestamp;heat;load', ...rows, ''].join('\n'));
    const { out } = await run([FLOW], { rows: csv, out: join(root, 'from-csv'), json: true });
    expect(JSON.parse(out)).toMatchObject({ fields: ['heat', 'load'], learned: { rows: 400 } });
  });

  test.each([
    ['a word', 'a,b\n1,2\n3,much\n', 'csv', /rows-.*\.csv:3: b: found "much", expected a finite/],
    ['a gap', 'a,b\n1,2\n,4\n', 'csv', /\.csv:3: a: expected a finite number/],
    ['a short row', 'a,b\n1,2\n3\n', 'csv', /\.csv:3: found "1 cells", expected 2 cells/],
    ['no JSON', '{"a":1}\n{"a":\n', 'jsonl', /\.jsonl:2: .*expected a JSON object/],
    ['a missing field', '{"a":1,"b":2}\n{"a":1}\n', 'jsonl', /\.jsonl:2: b: expected a finite/],
    ['text for a number', '{"a":1}\n{"a":"x"}\n', 'jsonl', /\.jsonl:2: a: found "x"/],
    ['a list', '[1, 2]\n', 'jsonl', /\.jsonl:1: .*expected a JSON object/],
    ['too few records', '{"a":1}\n{"a":2}\n', 'jsonl', /has 2 records, learning takes 400/],
  ])('refuses rows with %s, and writes nothing', async (title, text, end, expected) => {
    const rows = join(root, `rows-${title.replaceAll(' ', '-')}.${end}`);
    await writeFile(rows, text);
    const out = join(root, 'refused');
    await expect(run([FLOW], { rows, out })).rejects.toThrow(expected);
    await expect(readFile(join(out, 'model.onnx'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('tells every bad row at once, up to a limit', async () => {
    const rows = join(root, 'all-bad.csv');
    await writeFile(rows, ['a', ...Array<string>(50).fill('x'), ''].join('\n'));
    const failed = await run([FLOW], { rows, out: join(root, 'no') }).catch((error) => error);
    expect(failed.message.split('\n')).toHaveLength(21);
    expect(failed.message).toMatch(/and 30 more$/);
  });

  test('refuses a flow that learns nothing', async () => {
    const folder = join(root, 'plain');
    await mkdir(folder);
    const steps = "source: { topic: 'x/{device}' }\nsteps:\n  - json: {}\n  - anomaly-score: {}\n";
    await writeFile(join(folder, 'flow.yaml'), steps);
    const failed = run([folder], { rows: ROWS, out: join(root, 'no') });
    await expect(failed).rejects.toMatchObject({ code: 'unsupported' });
  });

  test('does not write over a folder of another', async () => {
    const out = join(root, 'mine');
    await mkdir(out);
    await writeFile(join(out, 'notes.txt'), 'mine');
    await expect(run([FLOW], { rows: ROWS, out })).rejects.toMatchObject({
      code: 'data-unwritable',
    });
  });
});

const skab = sharedData('sensor/skab/valve1');

describe.skipIf(skab === undefined)('a real test bench as a model', () => {
  test.each(['0', '7'])('says of valve1/%s what the flow says', async (name) => {
    const [head = '', ...rows] = (await readFile(join(skab as string, `${name}.csv`), 'utf8'))
      .trim()
      .split(/\r?\n/);
    const names = head.split(';').slice(1, -2);
    const records = rows.map((row) => {
      const cells = row.split(';').slice(1, -2).map(Number);
      return JSON.stringify(Object.fromEntries(names.map((field, at) => [field, cells[at]])));
    });
    const learned = join(root, `skab-${name}.jsonl`);
    await writeFile(learned, records.slice(0, 400).join('\n'));
    const out = join(root, `valve-${name}`);
    await run([FLOW], { rows: learned, out });
    const original = (await open(FLOW)).plan;
    await resultsOf(original, records.slice(0, 400));
    const rest = records.slice(400);
    expectAlike(await resultsOf((await open(out)).plan, rest), await resultsOf(original, rest));
  });
});
