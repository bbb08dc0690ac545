import type { IPublishPacket } from 'mqtt-packet';
import {
  connectWire,
  openWire,
  type WireClient,
  type WireOptions,
} from '../../harness/wire-client.ts';

/** A broker under test. */
export interface Ground {
  readonly port: number;
  readonly version: 4 | 5;
  /** A client of the case's version, gone when the case is over. Names are made unlike any other's. */
  connect(name: string, options?: Omit<WireOptions, 'version' | 'clientId'>): Promise<WireClient>;
  /** A connection without a packet. */
  open(options?: Omit<WireOptions, 'version' | 'clientId'>): Promise<WireClient>;
  /** A topic of this case alone. */
  topic(rest: string): string;
}

/** One thing that the standard asks of a server. */
export interface Case {
  readonly version: 4 | 5;
  /** Where it stands: a statement's number, or a section. */
  readonly clause: string;
  readonly title: string;
  /** The part of the interoperability suite that it belongs to. */
  readonly part: string;
  run(ground: Ground): Promise<void>;
}

type Clauses = Readonly<Partial<Record<4 | 5, string>>>;

/** Makes the cases of one part: a case per version that has a clause. */
export function casesOf(
  part: string,
  list: readonly (readonly [Clauses, string, (ground: Ground) => Promise<void>])[],
): Case[] {
  return list.flatMap(([clauses, title, run]) =>
    ([4, 5] as const).flatMap((version) => {
      const clause = clauses[version];
      return clause === undefined ? [] : [{ version, clause, title, part, run }];
    }),
  );
}

/** Both versions have the same clause. */
export function both(clause: string): Clauses {
  return { 4: clause, 5: clause };
}

let runs = 0;

/** Runs a case against a broker and cleans up. */
export async function runCase(one: Case, port: number): Promise<void> {
  runs += 1;
  const mark = `c${runs}-${process.pid}`;
  const { version } = one;
  const clients: WireClient[] = [];
  const keep = (client: WireClient) => {
    clients.push(client);
    return client;
  };
  try {
    await one.run({
      port,
      version,
      connect: async (name, options) =>
        keep(await connectWire(port, { ...options, version, clientId: `${mark}-${name}` })),
      open: async (options) => keep(await openWire(port, { ...options, version })),
      topic: (rest) => `${mark}/${rest}`,
    });
  } finally {
    for (const client of clients) client.cut();
  }
}

/** The payload as text. */
export function textOf(message: IPublishPacket): string {
  return message.payload.toString();
}

/** The bytes of a string as MQTT writes it. */
export function text(value: string | readonly number[]): number[] {
  const bytes = typeof value === 'string' ? [...Buffer.from(value)] : [...value];
  return [bytes.length >> 8, bytes.length & 0xff, ...bytes];
}

/** The bytes of a packet: first byte, and a body of less than 128 bytes. */
export function frame(first: number, body: readonly number[]): number[] {
  if (body.length > 127) throw new Error('a longer body needs a longer length');
  return [first, body.length, ...body];
}

/** The bytes of a CONNECT, with parts of it to get wrong. */
export function connectBytes(
  version: 4 | 5,
  wrong: {
    readonly name?: string;
    readonly level?: number;
    readonly flags?: number;
    readonly properties?: readonly number[];
    readonly payload?: readonly number[];
  } = {},
): number[] {
  const { name = 'MQTT', level = version, flags = 2, properties = [] } = wrong;
  runs += 1;
  const payload = wrong.payload ?? text(`raw-${process.pid}-${runs}`);
  const middle = version === 5 ? [properties.length, ...properties] : [];
  return frame(0x10, [...text(name), level, flags, 0, 0, ...middle, ...payload]);
}
