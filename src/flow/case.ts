import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { EventOutcome, FlowEvent } from './event.ts';
import type { Plan } from './plan.ts';
import type { FlowCase } from './schema.ts';
import type { Result } from './value.ts';

/** How one of a flow's own tests went. */
export interface CaseReport {
  readonly name: string;
  readonly passed: boolean;
  /** What differed, one line each: `results.0.label: expected "yes", got "no"`. */
  readonly differences: readonly string[];
}

/** Runs one test of a flow: its events in order, their results against what is expected. */
export async function runCase(plan: Plan, test: FlowCase, folder: string): Promise<CaseReport> {
  const results: unknown[] = [];
  const failures: string[] = [];
  for await (const event of caseEvents(test, folder)) {
    const outcome = await plan.process(event);
    results.push(...outcome.results.map(({ result }) => result));
    const failure = failureOf(outcome);
    if (failure !== undefined) failures.push(failure);
  }
  const seen = test.last ? results.slice(-test.expect.length) : results;
  const differences = [...failures, ...compare(test.expect, seen, 'results')];
  return { name: test.name, passed: differences.length === 0, differences };
}

/** The report of a test that could not be run. */
export function caseFailed({ name }: FlowCase, error: unknown): CaseReport {
  const message = error instanceof Error ? error.message : String(error);
  return { name, passed: false, differences: [message] };
}

/** The events of a test; their time goes on by a second each, from 1970. */
export async function* caseEvents(test: FlowCase, folder: string): AsyncGenerator<FlowEvent> {
  let count = 0;
  for (const file of [test.event].flat()) {
    const bytes = await readFile(join(folder, file));
    const lines = extname(file) === '.jsonl' ? bytes.toString('utf8').split('\n') : undefined;
    const payloads = lines?.filter((line) => line.trim() !== '').map((line) => Buffer.from(line));
    for (const payload of payloads ?? [bytes]) {
      yield createEvent({ device: test.device, topic: `test/${file}`, payload, ts: count * 1000 });
      count += 1;
    }
  }
}

/** An event that came from no bus: of a test, a trace or a benchmark. */
export function createEvent(
  given: Pick<FlowEvent, 'device' | 'topic' | 'payload' | 'ts'>,
): FlowEvent {
  return {
    id: `${given.topic}-${given.ts}`,
    receivedAtMs: performance.now(),
    timing: { queueMs: 0, decodeMs: 0, preprocessMs: 0, inferMs: 0, postprocessMs: 0 },
    ...given,
  };
}

function failureOf({ end }: EventOutcome<Result>): string | undefined {
  if (end.kind === 'fail') return `event failed: ${end.error.code}: ${end.error.message}`;
  return end.kind === 'drop' ? `event dropped: ${end.reason}` : undefined;
}

/** Where `actual` lacks something of `expected`: objects by the fields named, [low, high] as a range. */
function compare(expected: unknown, actual: unknown, path: string): string[] {
  if (typeof actual === 'number' && isRange(expected)) {
    const [low, high] = expected;
    return actual >= low && actual <= high
      ? []
      : [`${path}: expected ${low}..${high}, got ${actual}`];
  }
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual)) return [differ(expected, actual, path)];
    const wrong =
      expected.length === actual.length
        ? []
        : [
            `${path}: expected ${expected.length}, got ${actual.length} (${JSON.stringify(actual).slice(0, 300)})`,
          ];
    return [
      ...wrong,
      ...expected.flatMap((item, index) => compare(item, actual[index], `${path}.${index}`)),
    ];
  }
  if (typeof expected === 'object' && expected !== null) {
    if (typeof actual !== 'object' || actual === null) return [differ(expected, actual, path)];
    return Object.entries(expected).flatMap(([key, value]) =>
      compare(value, (actual as Record<string, unknown>)[key], `${path}.${key}`),
    );
  }
  // A zero has no sign on the wire.
  return expected === actual ? [] : [differ(expected, actual, path)];
}

function isRange(expected: unknown): expected is [number, number] {
  return (
    Array.isArray(expected) &&
    expected.length === 2 &&
    expected.every((bound) => typeof bound === 'number')
  );
}

function differ(expected: unknown, actual: unknown, path: string): string {
  const text = (value: unknown) => JSON.stringify(value)?.slice(0, 300) ?? 'nothing';
  return `${path}: expected ${text(expected)}, got ${text(actual)}`;
}
