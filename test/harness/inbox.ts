import type { Delivery, DeliveryHandler, Message } from '../../src/bus/bus.ts';

/** Collects what a subscription gets; tests wait on its facts instead of the clock. */
export interface Inbox {
  readonly handler: DeliveryHandler;
  readonly deliveries: readonly Delivery[];
  readonly messages: readonly Message[];
  /** The payloads as text. */
  readonly texts: readonly string[];
  /** Resolves once so many messages have come, with exactly those that have. */
  count(messages: number): Promise<readonly Message[]>;
}

/** Creates an inbox that accepts and settles each message, or leaves that to the test. */
export function createInbox(manner: 'settle' | 'accept' | 'hold' = 'settle'): Inbox {
  const deliveries: Delivery[] = [];
  const waiting: Array<{ messages: number; resolve: () => void }> = [];
  const messages = () => deliveries.map((delivery) => delivery.message);
  return {
    deliveries,
    get messages() {
      return messages();
    },
    get texts() {
      return messages().map(({ payload }) => Buffer.from(payload).toString());
    },
    handler(delivery) {
      deliveries.push(delivery);
      if (manner !== 'hold') delivery.accept();
      if (manner === 'settle') delivery.settle();
      for (const { messages: wanted, resolve } of waiting) {
        if (deliveries.length >= wanted) resolve();
      }
    },
    async count(wanted) {
      if (deliveries.length < wanted) {
        await new Promise<void>((resolve) => waiting.push({ messages: wanted, resolve }));
      }
      return messages();
    },
  };
}
