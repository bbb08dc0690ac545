import { join } from 'node:path';
import type { Bus } from '../bus/bus.ts';
import type { Clock } from '../std/clock.ts';
import { LedgeError } from '../std/error.ts';
import { z } from '../std/schema.ts';
import type { Teardown } from '../std/teardown.ts';
import { EXAMPLES_MAX } from '../teach/lesson.ts';
import { goBack, readTaught } from '../teach/versions.ts';
import { collectEvents } from './collect-events.ts';
import type { Control } from './control.ts';
import type { Flows } from './flows.ts';
import type { Example } from './lessons.ts';
import type { Bench } from './record-runs.ts';
import { type TeachReport, teachFlow } from './teach-flow.ts';

/** Base64 of 64 clips of one second, or of eight pictures of a megabyte; also kept from memory. */
export const TEACH_BYTES_MAX = 16_777_216;
/** Longer, and whoever asked has gone. */
const WITHIN_SECONDS_MAX = 3_600;
const WITHIN_SECONDS = 120;
/** Requests that wait for the one under way: each is a person's doing. */
const WAITING_MAX = 4;

const transaction = z.union([z.string().max(256), z.number()]).optional();
const name = z.string().min(1);
const examples = z.array(z.base64().min(1)).max(EXAMPLES_MAX);

const teachSchema = z
  .strictObject({
    transaction,
    name,
    label: z.string().min(1).max(128),
    examples: examples.optional(),
    others: examples.optional(),
    device: z.string().optional(),
    collect: z.int().min(2).max(EXAMPLES_MAX).optional(),
    withinSeconds: z.number().positive().max(WITHIN_SECONDS_MAX).default(WITHIN_SECONDS),
  })
  .refine(
    ({ examples: given, device, collect }) =>
      (given !== undefined) !== (device !== undefined && collect !== undefined),
    { error: 'either `examples`, or `device` and `collect`' },
  );

const backSchema = z.strictObject({
  transaction,
  name,
  version: z.int().min(0).optional(),
});

export interface TeachParts {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly flows: Pick<Flows, 'list' | 'loaded' | 'reload'>;
  /** Whose folders are the flows. */
  readonly folder: string;
  readonly control: Pick<Control, 'offer'>;
  readonly bench: Bench;
  readonly teardown: Teardown;
}

/** Answers `flow/teach` and `flow/teach-back`, one after the other, until the node stops. */
export function openTeach(parts: TeachParts): void {
  const { flows, control, teardown } = parts;
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  const closing = new AbortController();

  function inTurn<T>(act: () => Promise<T>): Promise<T> {
    if (waiting >= WAITING_MAX) {
      const state = `${waiting} requests are waiting already`;
      throw new LedgeError('overflow', `Cannot teach now: ${state}`, { retriable: true });
    }
    waiting += 1;
    const turn = last.then(act, act).finally(() => {
      waiting -= 1;
    });
    last = turn.catch(() => undefined);
    return turn;
  }

  const stopTeach = control.offer(
    'flow/teach',
    (payload) => {
      const request = teachSchema.parse(payload);
      return inTurn(() => teach(request, { ...parts, signal: closing.signal }));
    },
    { bytesMax: TEACH_BYTES_MAX },
  );
  const stopBack = control.offer('flow/teach-back', (payload) => {
    const request = backSchema.parse(payload);
    return inTurn(async () => {
      const folder = folderOf(request.name, parts);
      const { current, versions } = await readTaught(folder);
      const before = versions.filter((version) => version < current).at(-1) ?? 0;
      const version = request.version ?? before;
      await goBack(folder, version);
      await flows.reload(request.name);
      return { name: request.name, version };
    });
  });
  teardown.add('teaching', async () => {
    stopTeach();
    stopBack();
    closing.abort();
    await last;
  });
}

type TeachRequest = z.output<typeof teachSchema>;

type Teaching = TeachParts & { readonly signal: AbortSignal };

async function teach(request: TeachRequest, parts: Teaching): Promise<TeachReport> {
  const { flows, bench } = parts;
  const folder = folderOf(request.name, parts);
  const given = await examplesOf(request, parts);
  const others = decoded(request.others ?? [], 'other');
  const report = await teachFlow({
    ...bench,
    folder,
    label: request.label,
    examples: given,
    others,
  });
  await flows.reload(request.name);
  return report;
}

function folderOf(name: string, { flows, folder }: TeachParts): string {
  if (flows.list().some((flow) => flow.name === name)) return join(folder, name);
  throw new LedgeError('not-found', `There is no flow "${name}"`);
}

async function examplesOf(request: TeachRequest, parts: Teaching): Promise<readonly Example[]> {
  const { examples: given, device, collect, withinSeconds } = request;
  if (given !== undefined) return decoded(given, request.label);
  const topic = parts.flows.loaded(request.name)?.intake.pattern.topicOf(device ?? '');
  if (topic === undefined) {
    const state = `flow "${request.name}" has no one topic for a device: give examples`;
    throw new LedgeError('unsupported', `Cannot collect events: ${state}`);
  }
  const { bus, clock, signal } = parts;
  const wanted = { topic, count: collect ?? 0, withinSeconds };
  const events = await collectEvents({ bus, clock, signal, ...wanted });
  return events.map((payload, at) => ({ name: `${device}-${at + 1}`, payload }));
}

function decoded(texts: readonly string[], as: string): Example[] {
  return texts.map((text, at) => ({
    name: `${as}-${at + 1}`,
    payload: new Uint8Array(Buffer.from(text, 'base64')),
  }));
}
