import type { Bus, Delivery, Subscription } from '../bus/bus.ts';
import type { Clock } from '../std/clock.ts';
import { LedgeError, toLedgeError } from '../std/error.ts';
import { z } from '../std/schema.ts';
import type { Flows } from './flows.ts';
import { sayLastWord } from './last-word.ts';
import type { NodeLedger } from './ledger.ts';
import type { Log, LogLine } from './log.ts';
import type { Status } from './status.ts';

/** A request is a few names: more is a mistake. */
const REQUEST_BYTES_MAX = 65_536;
/** Changes within this time are told by one publish of a retained list. */
const GATHER_MS = 50;

const transaction = z.union([z.string().max(256), z.number()]).optional();
const nothing = z.object({ transaction });
const oneFlow = z.object({ transaction, name: z.string() });
const flowOrAll = z.object({ transaction, name: z.string().optional() });
const flowAndState = z.object({ transaction, name: z.string(), enabled: z.boolean() });
const flowAndDevice = z.object({ transaction, name: z.string(), device: z.string().optional() });

/** The node's own topics: state, info, health, flows, devices, events, logging, requests. */
export interface Control {
  /** Publishes one line on bridge/logging. */
  log(line: LogLine): void;
  /** Publishes an event on bridge/event, with more fields, and the flow list soon after. */
  changed(kind: string, name: string, more?: Readonly<Record<string, unknown>>): void;
  /** Answers one more request; gives how to answer it no more. */
  offer(request: string, handler: RequestHandler, options?: RequestOptions): () => void;
  /** Publishes bridge/devices soon. */
  devicesChanged(): void;
  /** Says offline and takes no further request. */
  close(): Promise<void>;
}

export interface ControlOptions {
  readonly bus: Bus;
  /** `ledge/<node>`. */
  readonly base: string;
  readonly flows: Flows;
  readonly status: Status;
  readonly ledger: Pick<NodeLedger, 'report'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly healthMs: number;
}

/** Gives the data of a request's answer; what it throws is told as its error. */
export type RequestHandler = (payload: unknown) => unknown;

export interface RequestOptions {
  /** What a request that carries events may have. Default: a few names. */
  readonly bytesMax?: number;
}

interface Offer {
  readonly handler: RequestHandler;
  readonly bytesMax: number;
}

/** Publishes the retained topics, now and whenever the broker comes back, and answers requests. */
export async function openControl(options: ControlOptions): Promise<Control> {
  const { bus, base, flows, status, clock, log } = options;
  const requests = new Map(
    [...requestsOf(options)].map(([name, handler]): [string, Offer] => [
      name,
      { handler, bytesMax: REQUEST_BYTES_MAX },
    ]),
  );
  let cancelFlows: (() => void) | undefined;
  let cancelDevices: (() => void) | undefined;
  let closed = false;

  async function publish(topic: string, body: object, retain: boolean): Promise<void> {
    try {
      await bus.publish({
        topic: `${base}/bridge/${topic}`,
        payload: Buffer.from(JSON.stringify(body)),
        qos: retain ? 1 : 0,
        retain,
        properties: { contentType: 'application/json' },
      });
    } catch (error) {
      if (!closed) log.debug('Cannot publish', { topic, error: String(error) });
    }
  }

  const publishFlows = () => publish('flows', { flows: flows.list() }, true);

  async function publishAll(): Promise<void> {
    await publish('state', { state: 'online' }, true);
    await publish('info', status.info(), true);
    await publishFlows();
    await publishHealth();
  }

  const publishDevices = () => publish('devices', status.devices(), true);

  async function publishHealth(): Promise<void> {
    await publish('health', status.health(), true);
    await publishDevices();
  }

  function receive(delivery: Delivery): void {
    delivery.accept();
    void answer(delivery).finally(() => delivery.settle());
  }

  async function answer({ message }: Delivery): Promise<void> {
    const name = message.topic.slice(`${base}/bridge/request/`.length);
    const reply = await respond(requests, name, message.payload);
    await publish(`response/${name}`, reply, false);
  }

  const subscription: Subscription = await bus.subscribe(
    `${base}/bridge/request/#`,
    { qos: 1 },
    receive,
  );
  const stopHealth = clock.every(options.healthMs, () => void publishHealth());
  const stopState = bus.onState((state) => {
    if (state === 'online') void publishAll();
  });
  if (bus.state === 'online') await publishAll();

  return {
    log: (line) => void publish('logging', line, false),
    changed(kind, name, more = {}) {
      void publish('event', { type: kind, name, ts: clock.now(), ...more }, false);
      cancelFlows ??= clock.after(GATHER_MS, () => {
        cancelFlows = undefined;
        void publishFlows();
      });
    },
    offer(request, handler, { bytesMax = REQUEST_BYTES_MAX } = {}) {
      requests.set(request, { handler, bytesMax });
      return () => void requests.delete(request);
    },
    devicesChanged() {
      if (closed) return;
      cancelDevices ??= clock.after(GATHER_MS, () => {
        cancelDevices = undefined;
        void publishDevices();
      });
    },
    async close() {
      if (closed) return;
      closed = true;
      cancelFlows?.();
      cancelDevices?.();
      stopHealth();
      stopState();
      await subscription.close();
      await sayLastWord(options, () => publish('state', { state: 'offline' }, true));
    },
  };
}

function requestsOf({
  flows,
  status,
  ledger,
}: ControlOptions): ReadonlyMap<string, RequestHandler> {
  return new Map<string, RequestHandler>([
    ['flows', (payload) => nothing.parse(payload) && { flows: flows.list() }],
    ['info', (payload) => nothing.parse(payload) && status.info()],
    ['health', (payload) => nothing.parse(payload) && status.health()],
    ['devices', (payload) => nothing.parse(payload) && status.devices()],
    ['ledger', (payload) => nothing.parse(payload) && ledger.report()],
    ['flow/enable', named(oneFlow, ({ name }) => flows.enable(name))],
    ['flow/disable', named(oneFlow, ({ name }) => flows.disable(name))],
    [
      'flow/set',
      named(flowAndState, ({ name, enabled }) =>
        enabled ? flows.enable(name) : flows.disable(name),
      ),
    ],
    ['flow/reload', named(flowOrAll, ({ name }) => flows.reload(name))],
    [
      'flow/relearn',
      async (payload) => {
        const { name, device } = flowAndDevice.parse(payload);
        return { name, forgotten: await flows.relearn(name, device) };
      },
    ],
  ]);
}

/** A request that changes one flow and answers with its name. */
function named<T extends { name?: string | undefined }>(
  schema: z.ZodType<T>,
  act: (request: T) => Promise<void>,
): RequestHandler {
  return async (payload) => {
    const request = schema.parse(payload);
    await act(request);
    return request.name === undefined ? {} : { name: request.name };
  };
}

/** One request's answer: never throws, and carries the transaction back. */
async function respond(
  requests: ReadonlyMap<string, Offer>,
  name: string,
  payload: Uint8Array,
): Promise<object> {
  let request: unknown;
  try {
    const offer = requests.get(name);
    request = parseRequest(payload, offer?.bytesMax ?? REQUEST_BYTES_MAX);
    if (offer === undefined) {
      throw new LedgeError(
        'not-found',
        `There is no request "${name}", only ${[...requests.keys()].join(', ')}`,
      );
    }
    return { data: await offer.handler(request), status: 'ok', ...transactionOf(request) };
  } catch (error) {
    const { message } =
      error instanceof z.ZodError ? new Error(z.prettifyError(error)) : toLedgeError(error);
    return { data: {}, status: 'error', error: message, ...transactionOf(request) };
  }
}

/** A JSON object; an empty payload asks for nothing special, a bare word names a flow. */
function parseRequest(payload: Uint8Array, bytesMax: number): unknown {
  if (payload.byteLength > bytesMax) {
    throw new LedgeError('payload-too-large', `This request has at most ${bytesMax} bytes`);
  }
  const text = Buffer.from(payload).toString('utf8').trim();
  if (text === '') return {};
  if (!text.startsWith('{')) return { name: text };
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new LedgeError('payload-invalid', `The request is no JSON: ${(error as Error).message}`);
  }
}

function transactionOf(request: unknown): object {
  const parsed = nothing.safeParse(request);
  return parsed.success && parsed.data.transaction !== undefined
    ? { transaction: parsed.data.transaction }
    : {};
}
