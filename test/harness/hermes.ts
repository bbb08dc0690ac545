import { connectTest, type Received, type TestClient } from './mqtt.ts';

/** A satellite or a skill: an MQTT client that hears everything of Hermes. */
export interface HermesPeer extends TestClient {
  say(path: string, body: object): Promise<void>;
  /** Publishes any bytes on a topic below `hermes/`. */
  send(path: string, payload: Uint8Array | string): Promise<void>;
  /** The next message on `hermes/<path>` after those that were taken. */
  hear(path: string): Promise<Readonly<Record<string, unknown>>>;
  /** Paths of everything that others said, in order. */
  heard(): string[];
}

/** Connects a satellite or a skill. MQTT 3.1.1, as theirs speak. */
export async function connectHermes(url: string): Promise<HermesPeer> {
  const peer = await connectTest(url, ['hermes/#'], { protocolVersion: 4 });
  const taken = new Map<string, number>();
  const own = new Set<string>();

  async function send(path: string, payload: Uint8Array | string): Promise<void> {
    own.add(`${path}\n${Buffer.from(payload).toString('latin1')}`);
    await peer.client.publishAsync(`hermes/${path}`, Buffer.from(payload));
  }

  const others = (message: Received): boolean =>
    !own.has(`${message.topic.slice('hermes/'.length)}\n${message.payload.toString('latin1')}`);

  return {
    ...peer,
    send,
    say: (path, body) => send(path, JSON.stringify(body)),
    async hear(path) {
      const before = taken.get(path) ?? 0;
      taken.set(path, before + 1);
      const fits = (message: Received) => message.topic === `hermes/${path}` && others(message);
      const all = await peer.count(before + 1, fits);
      return (all[before] as Received).json;
    },
    heard: () => peer.received.filter(others).map(({ topic }) => topic.slice('hermes/'.length)),
    [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
  };
}

/** The voice sessions of a node, as far as others see them: over the wire. */
export interface VoicePeer extends TestClient {
  /** Publishes an event of a session. */
  tell(event: Readonly<Record<string, unknown>> & { site: string; type: string }): Promise<void>;
  /** The next request of this kind: `listen`, `cancel` or `set`. */
  asked(kind: string): Promise<Readonly<Record<string, unknown>>>;
  /** What `listen` is answered with from now on; `undefined`: a session opens. */
  refuseWith(error: string | undefined): void;
}

/** Answers requests for the node `base` and opens a session `voice-<n>` for each `listen`. */
export async function connectVoice(url: string, base: string): Promise<VoicePeer> {
  const requests = `${base}/bridge/request/voice/`;
  const peer = await connectTest(url, [`${requests}#`]);
  const taken = new Map<string, number>();
  let sessions = 0;
  let refusal: string | undefined;

  async function publish(topic: string, body: object): Promise<void> {
    await peer.client.publishAsync(`${base}/${topic}`, JSON.stringify(body), { qos: 1 });
  }

  async function answer(payload: Buffer): Promise<void> {
    const { transaction, site, requestId } = JSON.parse(payload.toString());
    const response = 'bridge/response/voice/listen';
    if (refusal !== undefined) {
      await publish(response, { data: {}, status: 'error', error: refusal, transaction });
      return;
    }
    sessions += 1;
    const sessionId = `voice-${sessions}`;
    const opened = { type: 'session-started', trigger: 'request', site, sessionId, requestId };
    await publish(`voice/${site}`, { ...opened, device: site, ts: 0 });
    await publish(response, { data: { sessionId }, status: 'ok', transaction });
  }

  peer.client.on('message', (topic, payload) => {
    // A test may end before its last answer is acknowledged.
    if (topic === `${requests}listen`) answer(payload).catch(() => undefined);
  });

  return {
    ...peer,
    tell: (event) => publish(`voice/${event.site}`, { ts: 0, device: event.site, ...event }),
    async asked(kind) {
      const before = taken.get(kind) ?? 0;
      taken.set(kind, before + 1);
      const all = await peer.count(before + 1, ({ topic }) => topic === `${requests}${kind}`);
      return (all[before] as Received).json;
    },
    refuseWith(error) {
      refusal = error;
    },
    [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
  };
}
