import type { MessageProperties } from './bus.ts';

/** The user property that numbers the messages of a device: lost and overtaken ones are found by it. */
const PROPERTY = 'seq';
const NUMBERS = 2 ** 32;

/** The number of a message of its device, 0 to 2^32 - 1; undefined where it has none. */
export function sequenceOf(properties: MessageProperties | undefined): number | undefined {
  const text = properties?.userProperties?.[PROPERTY];
  if (typeof text !== 'string' || !/^\d{1,10}$/.test(text)) return undefined;
  const sequence = Number(text);
  return sequence < NUMBERS ? sequence : undefined;
}

/** The properties of a numbered message. */
export function numbered(sequence: number): MessageProperties {
  return { userProperties: { [PROPERTY]: String(sequence) } };
}

/** Numbers of a sender that starts: from anywhere, so that it is not taken for the one before. */
export function createSequence(random: () => number = Math.random): () => number {
  let next = Math.floor(random() * NUMBERS);
  return () => {
    const sequence = next;
    next = (next + 1) % NUMBERS;
    return sequence;
  };
}
