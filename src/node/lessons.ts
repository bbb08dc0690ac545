import { caseEvents, createEvent } from '../flow/case.ts';
import type { FlowEvent } from '../flow/event.ts';
import { LedgeError, toLedgeError } from '../std/error.ts';
import { clearestRun } from './features.ts';
import { type Bench, openRecorder, type RecordedRun, type Recorder } from './record-runs.ts';

/** Runs of a flow's own tests that stand for the labels it knows: sensors have thousands. */
const TEST_RUNS_MAX = 256;

/** An event by its bytes, as a device would send it. */
export interface Example {
  readonly name: string;
  readonly payload: Uint8Array;
}

/** An event as the model of the flow gets it. */
export interface Shown {
  readonly name: string;
  readonly inputs: RecordedRun['inputs'];
}

/** Events taken through a flow up to its model. */
export interface Lessons extends AsyncDisposable {
  /** Each event by the run that shows it. Throws `value-invalid`, naming the event that has none. */
  examples(given: readonly Example[]): Promise<readonly Shown[]>;
  /** What the flow's own tests give its model: events of labels that it knows. */
  tests(): Promise<readonly Shown[]>;
}

/** Opens a flow with one classifier. Throws `flow-invalid`, `unsupported`. */
export async function openLessons(folder: string, bench: Bench): Promise<Lessons> {
  const recorder = await openRecorder(folder, bench);
  return {
    async examples(given) {
      const shown: Shown[] = [];
      for (const { name, payload } of given) {
        const event = createEvent({ device: 'teach', topic: name, payload, ts: 0 });
        const run = clearestRun(await playOne(recorder, event, name));
        if (run === undefined) {
          const state = 'the flow gave its model nothing of it';
          throw new LedgeError('value-invalid', `Cannot learn from "${name}": ${state}`);
        }
        shown.push({ name, inputs: run.inputs });
      }
      return shown;
    },
    async tests() {
      const shown: Shown[] = [];
      for (const test of recorder.loaded.parts.tests) {
        const events: FlowEvent[] = [];
        for await (const event of caseEvents(test, folder)) events.push(event);
        const runs = checkOne(await recorder.play(events));
        shown.push(...runs.map(({ inputs }) => ({ name: test.name, inputs })));
      }
      return shown.slice(0, TEST_RUNS_MAX);
    },
    [Symbol.asyncDispose]: () => recorder[Symbol.asyncDispose](),
  };
}

async function playOne(recorder: Recorder, event: FlowEvent, name: string) {
  try {
    return checkOne(await recorder.play([event]));
  } catch (thrown) {
    const cause = toLedgeError(thrown);
    const { code, message } = cause;
    throw new LedgeError(code, `Cannot learn from "${name}": ${message}`, { cause });
  }
}

function checkOne(runs: readonly RecordedRun[]): readonly RecordedRun[] {
  const paths = new Set(runs.map(({ path }) => path));
  if (paths.size <= 1) return runs;
  const state = `the flow runs ${paths.size} models, and one can be taught`;
  throw new LedgeError('unsupported', `Cannot teach the flow: ${state}`);
}
