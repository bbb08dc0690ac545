import { connectAsync, type IClientOptions, type IPublishPacket, type MqttClient } from 'mqtt';

export interface Received {
  readonly topic: string;
  readonly payload: Buffer;
  readonly packet: IPublishPacket;
  /** The payload as JSON; an empty object where it is none. */
  readonly json: Readonly<Record<string, unknown>>;
}

/** A client that remembers what it received and can wait for more. */
export interface TestClient extends AsyncDisposable {
  readonly client: MqttClient;
  readonly received: readonly Received[];
  /** Resolves with the first message, past or to come, that fits. */
  next(fits: (message: Received) => boolean): Promise<Received>;
  /** Resolves when this many messages that fit have come. */
  count(count: number, fits?: (message: Received) => boolean): Promise<Received[]>;
}

/** Connects over real TCP (or WebSocket) and subscribes. MQTT 5 unless told otherwise. */
export async function connectTest(
  url: string,
  filters: readonly string[] = [],
  options: IClientOptions = {},
): Promise<TestClient> {
  const client = await connectAsync(url, { protocolVersion: 5, reconnectPeriod: 0, ...options });
  const received: Received[] = [];
  let waiting: (() => void)[] = [];
  client.on('message', (topic, payload, packet) => {
    received.push({
      topic,
      payload,
      packet,
      get json() {
        try {
          return JSON.parse(payload.toString());
        } catch {
          return {};
        }
      },
    });
    for (const wake of waiting.splice(0)) wake();
  });
  if (filters.length > 0) await client.subscribeAsync([...filters], { qos: 1 });

  async function count(
    wanted: number,
    fits: (message: Received) => boolean = () => true,
  ): Promise<Received[]> {
    for (;;) {
      const found = received.filter(fits);
      if (found.length >= wanted) return found;
      await new Promise<void>((resolve) => {
        waiting = [...waiting, resolve];
      });
    }
  }

  return {
    client,
    received,
    count,
    next: async (fits) => (await count(1, fits))[0] as Received,
    async [Symbol.asyncDispose]() {
      await client.endAsync(true);
    },
  };
}
