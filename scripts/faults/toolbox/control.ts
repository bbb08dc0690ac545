import { connectAsync } from 'mqtt';
import { NODE_NAME } from './node-process.ts';

/** Asks a node on its control topics. */
export interface ControlClient {
  /** Resolves with `ok` or the error's text. */
  request(name: string, body: object): Promise<string>;
  close(): Promise<void>;
}

const BRIDGE = `ledge/${NODE_NAME}/bridge`;
/** A flow under load lets what is in flight end before it is swapped. */
const ANSWER_MS_MAX = 30_000;

/** Connects to the node's own broker. */
export async function openControlClient(port: number): Promise<ControlClient> {
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion: 5 });
  const waiting = new Map<number, (answer: string) => void>();
  let transaction = 0;
  client.on('message', (_topic, payload) => {
    const answer = JSON.parse(payload.toString()) as {
      status: string;
      error?: string;
      transaction?: number;
    };
    waiting.get(answer.transaction ?? -1)?.(answer.error ?? answer.status);
  });
  await client.subscribeAsync(`${BRIDGE}/response/#`, { qos: 1 });
  return {
    async request(name, body) {
      transaction += 1;
      const mine = transaction;
      const answer = new Promise<string>((resolve) => {
        waiting.set(mine, resolve);
        setTimeout(() => resolve('no answer'), ANSWER_MS_MAX).unref();
      });
      const payload = JSON.stringify({ ...body, transaction: mine });
      await client.publishAsync(`${BRIDGE}/request/${name}`, payload, { qos: 1 });
      const told = await answer;
      waiting.delete(mine);
      return told;
    },
    close: () => client.endAsync(true),
  };
}
