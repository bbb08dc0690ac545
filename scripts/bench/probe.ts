import { addressOf, openConnection } from './connection.ts';
import type { Ledge } from './ledge.ts';
import { publishHeader } from './mqtt-frame.ts';

/** How often each way in is tried. */
const EVERY_MS = 250;
/** An answer that takes longer counts as this long. */
const ANSWER_MS_MAX = 10_000;

export interface ProbeResult {
  readonly tries: number;
  /** The slowest answer, milliseconds. */
  readonly controlMsMax: number;
  readonly httpMsMax: number;
}

/** Asks the node's control topics and its HTTP server, again and again, until it is stopped. */
export async function startProbe(ledge: Ledge): Promise<{ stop(): Promise<ProbeResult> }> {
  const base = 'ledge/bench/bridge';
  let answered: () => void = () => undefined;
  const connection = await openConnection({
    address: addressOf(ledge.mqtt),
    protocol: 4,
    client: `probe-${process.pid}`,
    filters: [`${base}/response/flows`],
    onPublish: () => answered(),
  });
  const topic = `${base}/request/flows`;
  const { bytes } = publishHeader({ protocol: 4, qos: 0, topic, payloadBytes: 0 });
  const control: number[] = [];
  const http: number[] = [];
  let running = true;

  async function ask(times: number[], question: () => Promise<unknown>): Promise<void> {
    const startedAtMs = performance.now();
    await Promise.race([question(), passed(ANSWER_MS_MAX)]);
    times.push(performance.now() - startedAtMs);
  }

  async function run(): Promise<void> {
    while (running) {
      await ask(control, () => {
        const answer = new Promise<void>((resolve) => {
          answered = resolve;
        });
        connection.socket.write(bytes);
        return answer;
      });
      await ask(http, async () => (await fetch(`${ledge.http}/health`)).text());
      await passed(EVERY_MS);
    }
  }

  const finished = run();
  return {
    async stop() {
      running = false;
      await finished;
      connection.close();
      return {
        tries: control.length,
        controlMsMax: Math.max(...control),
        httpMsMax: Math.max(...http),
      };
    },
  };
}

function passed(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
