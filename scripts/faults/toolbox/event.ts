/** What one event of the harness carries: four floats, which the model gives back. */
export interface FaultEvent {
  readonly device: number;
  readonly number: number;
  /** 0: an ordinary event; else what the scenario's model or worker does with it. */
  readonly mark: number;
  /** Any further number for the model. */
  readonly extra: number;
}

/** A worker that was told so ends when it meets an event with this mark. */
export const POISON = 987_654;

/** The payload that a flow reads with `float32: { shape: [4] }`. */
export function encodeEvent({ device, number, mark, extra }: FaultEvent): Buffer {
  return Buffer.from(Float32Array.of(device, number, mark, extra).buffer);
}

/** Reads a payload of `encodeEvent`; undefined where it is none. */
export function decodeEvent(payload: Uint8Array): FaultEvent | undefined {
  if (payload.byteLength !== 16) return undefined;
  const [device, number, mark, extra] = new Float32Array(Uint8Array.from(payload).buffer);
  return { device: device!, number: number!, mark: mark!, extra: extra! };
}

/** The topic segment that names a device of the harness. */
export function deviceName(device: number): string {
  return `d${device}`;
}
