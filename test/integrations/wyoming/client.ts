import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** One event as a client sees it. */
export interface WyomingEvent {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly payload: Buffer;
}

/** A client written from the protocol's description, with no code of the server's. */
export interface WyomingClient extends AsyncDisposable {
  readonly socket: Socket;
  readonly events: readonly WyomingEvent[];
  send(type: string, data?: object, payload?: Uint8Array): void;
  raw(bytes: Uint8Array | string): void;
  /** The first event of these types that was not given yet; fails when the server closes before. */
  next(...types: string[]): Promise<WyomingEvent>;
  /** Resolves when the server has closed the connection. */
  readonly closed: Promise<void>;
}

/** An event as bytes: the data behind the header line, as large data has to be sent. */
export function eventBytes(
  type: string,
  data: object = {},
  payload: Uint8Array = new Uint8Array(0),
): Buffer {
  const body = Buffer.from(JSON.stringify(data));
  const header = {
    type,
    version: '1.9.0',
    data_length: body.length,
    ...(payload.length > 0 && { payload_length: payload.length }),
  };
  return Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), body, payload]);
}

/** Connects over real TCP. */
export async function connectWyoming(port: number): Promise<WyomingClient> {
  const socket = connect({ port, host: '127.0.0.1' });
  const events: WyomingEvent[] = [];
  let taken: boolean[] = [];
  let wake: (() => void)[] = [];
  let rest = Buffer.alloc(0);
  let gone = false;
  const tell = () => {
    for (const call of wake.splice(0)) call();
  };
  socket.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => {
    socket.on('close', () => {
      gone = true;
      tell();
      resolve();
    });
  });
  socket.on('end', () => socket.end());
  socket.on('data', (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      const end = rest.indexOf('\n');
      if (end === -1) break;
      const header = JSON.parse(rest.subarray(0, end).toString());
      const dataEnd = end + 1 + (header.data_length ?? 0);
      const whole = dataEnd + (header.payload_length ?? 0);
      if (rest.length < whole) break;
      const more = dataEnd > end + 1 ? JSON.parse(rest.subarray(end + 1, dataEnd).toString()) : {};
      const data = { ...header.data, ...more };
      events.push({ type: header.type, data, payload: rest.subarray(dataEnd, whole) });
      taken = [...taken, false];
      rest = rest.subarray(whole);
    }
    tell();
  });
  await once(socket, 'connect');
  return {
    socket,
    events,
    closed,
    send: (type, data, payload) => void socket.write(eventBytes(type, data, payload)),
    raw: (bytes) => void socket.write(bytes),
    async next(...types) {
      for (;;) {
        const at = events.findIndex(({ type }, index) => !taken[index] && types.includes(type));
        const found = events[at];
        if (found !== undefined) {
          taken[at] = true;
          return found;
        }
        if (gone) {
          const seen = events.map(({ type }) => type).join(', ');
          throw new Error(`Closed before ${types.join(' or ')} came; there was: ${seen}`);
        }
        await new Promise<void>((resolve) => {
          wake = [...wake, resolve];
        });
      }
    },
    async [Symbol.asyncDispose]() {
      socket.destroy();
      await closed;
    },
  };
}

/** 16 kHz, 16 bits, one channel. */
export const PLAIN = { rate: 16_000, width: 2, channels: 1 } as const;

/** Sends sound in chunks as a recorder would, between audio-start and audio-stop. */
export function sendSound(
  client: Pick<WyomingClient, 'send'>,
  sound: Uint8Array,
  format: { readonly rate: number; readonly width: number; readonly channels: number } = PLAIN,
): void {
  const step = 1024 * format.width * format.channels;
  client.send('audio-start', { ...format, timestamp: 0 });
  for (let at = 0; at < sound.length; at += step) {
    client.send('audio-chunk', format, sound.subarray(at, at + step));
  }
  client.send('audio-stop', { timestamp: null });
}
