import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { type EmbeddedBus, openBroker } from '../../../src/bus/broker.ts';
import type { Message } from '../../../src/bus/bus.ts';
import { openVoice } from '../../../src/integrations/voice/open-voice.ts';
import type { RequestHandler } from '../../../src/integrations/voice/options.ts';
import { voiceSchema } from '../../../src/node/config-voice.ts';
import { openStateFiles } from '../../../src/store/state-files.ts';
import { createHandClock, type HandClock } from '../../harness/hand-clock.ts';
import { temporaryFolder } from '../../harness/node.ts';

/** What a session tells, as JSON. */
export interface Told {
  readonly type: string;
  readonly site: string;
  readonly sessionId: string;
  readonly [field: string]: unknown;
}

/** Voice sessions over a real broker, with flows and time that a test plays. */
export interface VoiceRoom extends AsyncDisposable {
  readonly bus: EmbeddedBus;
  readonly clock: HandClock;
  readonly folder: string;
  /** What was told on ledge/test/voice/<site>, in order. */
  readonly told: readonly Told[];
  /** Clips that went to the flow of commands. */
  readonly clips: readonly Message[];
  readonly log: readonly { readonly level: string; readonly message: string }[];
  /** Flows that do not run. */
  readonly absent: Set<string>;
  types(site?: string): string[];
  /** Time goes on without sound. */
  pass(milliseconds: number): Promise<void>;
  /** Sound of a device, or of several, in chunks of 20 ms, as time passes. */
  sound(devices: string | readonly string[], milliseconds: number, level?: number): Promise<void>;
  /** One message of sound, at once. */
  chunk(device: string, samples: Int16Array, sequence?: number): Promise<void>;
  wake(device: string, score?: number, label?: string): Promise<void>;
  active(device: string, active: boolean): Promise<void>;
  /** The flow of commands answers the last clip. */
  answer(result: unknown, which?: Message): Promise<void>;
  publish(topic: string, body: object, correlation?: Uint8Array): Promise<void>;
  request(name: string, body?: object): Promise<unknown>;
  /** Closes the sessions and opens them again over what they keep. */
  reopen(): Promise<void>;
}

const CHUNK_MS = 20;
/** A message, what it causes, and what that causes: each takes a turn of the event loop. */
const TURNS = 4;

/** Waits until what was published has had its effects. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) await setImmediate();
}

/** Opens it with a configuration as in ledge.yaml. */
export async function openVoiceRoom(config: object = {}): Promise<VoiceRoom> {
  const clock = createHandClock();
  const bus = await openBroker({ port: 0 });
  const folder = await temporaryFolder();
  const told: Told[] = [];
  const clips: Message[] = [];
  const log: { level: string; message: string }[] = [];
  const absent = new Set<string>();
  const requests = new Map<string, RequestHandler>();
  const line = (level: string) => (message: string) => void log.push({ level, message });
  const open = async () =>
    openVoice(voiceSchema.parse(config), {
      ...{ bus, clock, base: 'ledge/test' },
      log: { debug: line('debug'), info: line('info'), warn: line('warn') },
      flowRuns: (name) => !absent.has(name),
      offer(name, handler) {
        requests.set(name, handler);
        return () => void requests.delete(name);
      },
      learned: await openStateFiles(join(folder, 'learned'), () => undefined),
      clipsFolder: join(folder, 'not-me'),
    });
  await listen('ledge/test/voice/+', ({ payload }) => told.push(JSON.parse(String(payload))));
  await listen('ledge/in/command/+', (message) => clips.push(message));
  let voice = await open();

  async function listen(filter: string, take: (message: Message) => void): Promise<void> {
    await bus.subscribe(filter, { qos: 1 }, (delivery) => {
      delivery.accept();
      take({ ...delivery.message, payload: Buffer.from(delivery.message.payload) });
      delivery.settle();
    });
  }

  async function publish(topic: string, body: object, correlation?: Uint8Array): Promise<void> {
    const properties = correlation === undefined ? {} : { correlationData: correlation };
    const payload = Buffer.from(JSON.stringify(body));
    await bus.publish({ topic, payload, qos: 1, retain: false, properties });
    await settle();
  }

  const result = (flow: string, device: string, value: unknown, correlation?: Uint8Array) =>
    publish(
      `ledge/test/${flow}/${device}`,
      { device, ts: clock.now(), result: value },
      correlation,
    );

  async function chunk(device: string, samples: Int16Array, sequence?: number): Promise<void> {
    await bus.publish({
      topic: `ledge/in/voice/${device}`,
      payload: new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength),
      ...{ qos: 0, retain: false },
      ...(sequence !== undefined && {
        properties: { userProperties: { seq: String(sequence) } },
      }),
    });
  }

  return {
    ...{ bus, clock, folder, told, clips, log, absent, chunk, publish },
    types: (site) => told.filter((one) => (site ?? one.site) === one.site).map(({ type }) => type),
    async sound(devices, milliseconds, level = 0) {
      for (let at = 0; at < milliseconds; at += CHUNK_MS) {
        clock.advance(CHUNK_MS);
        for (const device of [devices].flat()) {
          await chunk(device, new Int16Array(16 * CHUNK_MS).fill(level));
        }
      }
      await settle();
    },
    wake: (device, score = 0.9, label = 'computer') =>
      result('wake-word', device, { label, score }),
    active: (device, active) => result('voice-activity', device, { active, score: 0.9 }),
    async answer(value, which = clips.at(-1)) {
      const device = which?.topic.split('/').at(-1) ?? '';
      await result('voice-command', device, value, which?.properties?.correlationData);
    },
    async pass(milliseconds) {
      clock.advance(milliseconds);
      await settle();
    },
    async request(name, body = {}) {
      const answer = await requests.get(name)?.(body);
      await settle();
      return answer;
    },
    async reopen() {
      await voice[Symbol.asyncDispose]();
      voice = await open();
      await settle();
    },
    async [Symbol.asyncDispose]() {
      await voice[Symbol.asyncDispose]();
      await bus[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
}
