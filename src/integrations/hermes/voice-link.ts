import { randomUUID } from 'node:crypto';
import type { Bus, Delivery, Subscription } from '../../bus/bus.ts';
import type { Clock } from '../../std/clock.ts';
import { LedgeError } from '../../std/error.ts';
import { z } from '../../std/schema.ts';

/** An event of a session is a few names and numbers. */
const EVENT_BYTES_MAX = 65_536;
/** A request is answered at once, also on a busy board. */
const ANSWER_MS_MAX = 5_000;
/** Requests on their way: one for each site would be many. */
const REQUESTS_MAX = 256;

const wake = z.object({ label: z.string(), score: z.number() });
const slotValue = z.union([z.string(), z.number(), z.boolean()]);
const intent = z.object({ name: z.string(), slots: z.record(z.string(), slotValue).default({}) });
const base = { site: z.string(), device: z.string().optional(), sessionId: z.string() };

const eventSchema = z.discriminatedUnion('type', [
  z.object({
    ...base,
    type: z.literal('session-started'),
    trigger: z.enum(['wake', 'request']),
    wake: wake.optional(),
    requestId: z.string().optional(),
  }),
  z.object({
    ...base,
    type: z.literal('command'),
    text: z.string(),
    score: z.number().default(1),
    seconds: z.number().default(0),
    intent: intent.optional(),
    response: z.string().optional(),
  }),
  z.object({ ...base, type: z.literal('not-recognised'), reason: z.string() }),
  z.object({ ...base, type: z.literal('session-ended'), reason: z.string() }),
]);

/** What the voice sessions of the node tell. */
export type VoiceEvent = z.infer<typeof eventSchema>;

const answerSchema = z.object({
  status: z.enum(['ok', 'error']),
  error: z.string().optional(),
  transaction: z.string(),
  data: z.object({ sessionId: z.string() }).partial().optional(),
});

/** The voice sessions of the node, over the bus. */
export interface VoiceLink extends AsyncDisposable {
  /**
   * Opens a session without a wake word; its `session-started` carries the `requestId`. Gives the id of
   * the session. Fails with `unavailable` or `timeout`.
   */
  listen(site: string, requestId: string): Promise<string>;
  /** Ends the session of a site, if it has one. */
  cancel(site: string): void;
  /** Waking on or off. */
  setWaking(site: string, enabled: boolean): void;
}

export interface VoiceLinkOptions {
  readonly bus: Bus;
  /** `ledge/<node>`. */
  readonly base: string;
  readonly clock: Clock;
  onEvent(event: VoiceEvent): void;
}

interface Waiting {
  answer(sessionId: string): void;
  refuse(error: LedgeError): void;
}

/** Subscribes to the events of the sessions and the answers to requests. */
export async function openVoiceLink(options: VoiceLinkOptions): Promise<VoiceLink> {
  const { bus, clock } = options;
  const bridge = `${options.base}/bridge`;
  const waiting = new Map<string, Waiting>();
  const subscriptions: Subscription[] = [];

  async function hear(filter: string, read: (body: unknown) => void): Promise<void> {
    const handler = (delivery: Delivery): void => {
      delivery.accept();
      delivery.settle();
      read(parseJson(delivery.message.payload));
    };
    subscriptions.push(await bus.subscribe(filter, { qos: 1 }, handler));
  }

  await hear(`${options.base}/voice/+`, (body) => {
    const event = eventSchema.safeParse(body);
    if (event.success) options.onEvent(event.data);
  });
  await hear(`${bridge}/response/voice/listen`, (body) => {
    const answer = answerSchema.safeParse(body);
    if (!answer.success) return;
    const { transaction, status, data, error } = answer.data;
    const one = waiting.get(transaction);
    if (status === 'ok' && data?.sessionId !== undefined) one?.answer(data.sessionId);
    else {
      const text = error ?? 'Cannot listen: no session opened';
      one?.refuse(new LedgeError('unavailable', text, { retriable: true }));
    }
  });

  function request(name: string, body: object): Promise<void> {
    const topic = `${bridge}/request/voice/${name}`;
    const payload = Buffer.from(JSON.stringify(body));
    return bus.publish({ topic, payload, qos: 1, retain: false });
  }

  async function listen(site: string, requestId: string): Promise<string> {
    if (waiting.size >= REQUESTS_MAX) {
      throw new LedgeError('overflow', `Cannot listen at "${site}": too many requests wait`);
    }
    const transaction = randomUUID();
    try {
      return await new Promise<string>((resolve, reject) => {
        const cancel = clock.after(ANSWER_MS_MAX, () => {
          const text = `Cannot listen at "${site}": the voice sessions do not answer`;
          reject(new LedgeError('timeout', text));
        });
        const done = <Value>(call: (value: Value) => void) => {
          return (value: Value) => {
            cancel();
            call(value);
          };
        };
        waiting.set(transaction, { answer: done(resolve), refuse: done(reject) });
        request('listen', { site, requestId, transaction }).catch(done(reject));
      });
    } finally {
      waiting.delete(transaction);
    }
  }

  /** What comes of these is seen in the events; a site that is not there needs neither. */
  const tell = (name: string, body: object): void => void request(name, body).catch(() => {});

  return {
    listen,
    cancel: (site) => tell('cancel', { site }),
    setWaking: (site, enabled) => tell('set', { site, enabled }),
    async [Symbol.asyncDispose]() {
      for (const subscription of subscriptions) await subscription.close();
      const closed = new LedgeError('closed', 'Cannot listen: the node stops');
      for (const one of waiting.values()) one.refuse(closed);
    },
  };
}

function parseJson(payload: Uint8Array): unknown {
  if (payload.byteLength > EVENT_BYTES_MAX) return undefined;
  try {
    return JSON.parse(Buffer.from(payload).toString('utf8'));
  } catch {
    return undefined;
  }
}
