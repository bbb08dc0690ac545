import { Duplex } from 'node:stream';

/** The acknowledgement of a received message: of QoS 1, of QoS 2. */
export type AckKind = 'puback' | 'pubrec';

const PUBACK = 0x40;
const PUBREC = 0x50;

interface Ack {
  settled: boolean;
  bytes: Buffer | undefined;
}

interface AckGateOptions {
  /** The event of the inner stream that says that the other end answered. */
  readonly openEvent: 'connect' | 'secureConnect';
  /** Called once, before the stream says `close`, with what ended it. */
  readonly onClosed: (gate: AckGate, error: Error | null) => void;
}

/**
 * A connection between the MQTT client library and its broker that holds back acknowledgements. The
 * library acknowledges a message before it handles the next one, so that waiting there would leave one
 * message in flight; here its PUBACK or PUBREC waits until the message is settled, and goes out in the
 * order in which the messages came [MQTT-4.6.0-2, MQTT-4.6.0-3]. Every other byte passes unchanged.
 */
export class AckGate extends Duplex {
  /** Whether the connection below MQTT was open at any time. */
  opened = false;
  readonly #inner: Duplex;
  readonly #onClosed: AckGateOptions['onClosed'];
  /** In the order of arrival; a Map keeps it. */
  readonly #acks = { puback: new Map<number, Ack>(), pubrec: new Map<number, Ack>() };
  #reading = true;
  /** The head of the packet that is being written, until its length is known. */
  #head: number[] = [];
  #bodyLeft = 0;
  /** The parts of an acknowledgement that is being written; undefined: another packet. */
  #held: Buffer[] | undefined;

  constructor(inner: Duplex, options: AckGateOptions) {
    super({ allowHalfOpen: false });
    this.#inner = inner;
    this.#onClosed = options.onClosed;
    inner.once(options.openEvent, () => {
      this.opened = true;
    });
    inner.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) inner.pause();
    });
    inner.on('end', () => this.push(null));
    inner.on('error', (error) => this.destroy(error));
    inner.on('close', () => this.destroy());
  }

  /** Says that a message came whose acknowledgement must wait for `settle`. */
  expect(kind: AckKind, messageId: number): void {
    this.#acks[kind].set(messageId, { settled: false, bytes: undefined });
  }

  /** Lets the acknowledgement of a message go. Nothing happens on a connection that has ended. */
  settle(kind: AckKind, messageId: number): void {
    const ack = this.#acks[kind].get(messageId);
    if (ack === undefined) return;
    ack.settled = true;
    this.#flush(kind);
  }

  /** Stops or goes on taking bytes from the broker. */
  setReading(reading: 'on' | 'off'): void {
    this.#reading = reading === 'on';
    if (this.#reading) this.#inner.resume();
    else this.#inner.pause();
  }

  override _read(): void {
    if (this.#reading) this.#inner.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#inner.cork();
    this.#filter(chunk);
    this.#inner.uncork();
    this.#whenDrained(done);
  }

  override _writev(chunks: Array<{ chunk: Buffer }>, done: () => void): void {
    this.#inner.cork();
    for (const { chunk } of chunks) this.#filter(chunk);
    this.#inner.uncork();
    this.#whenDrained(done);
  }

  override _final(done: () => void): void {
    this.#inner.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#acks.puback.clear();
    this.#acks.pubrec.clear();
    this.#inner.destroy();
    this.#onClosed(this, error);
    done(error);
  }

  #whenDrained(done: () => void): void {
    if (this.#inner.writableNeedDrain) this.#inner.once('drain', done);
    else done();
  }

  #filter(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#bodyLeft > 0) {
        const part = chunk.subarray(at, at + this.#bodyLeft);
        at += part.length;
        this.#bodyLeft -= part.length;
        this.#pass(part);
        if (this.#bodyLeft === 0) this.#flushAll();
      } else {
        this.#head.push(chunk[at] ?? 0);
        at += 1;
        this.#readHead();
      }
    }
  }

  /** A packet begins with its type and its length, 7 bits a byte, lowest first [MQTT 2.1.4]. */
  #readHead(): void {
    const head = this.#head;
    const last = head[head.length - 1] ?? 0;
    if (head.length < 2 || (last & 0x80) !== 0) return;
    let length = 0;
    for (let index = head.length - 1; index > 0; index -= 1) {
      length = length * 128 + ((head[index] ?? 0) & 0x7f);
    }
    const type = (head[0] ?? 0) & 0xf0;
    this.#head = [];
    this.#bodyLeft = length;
    this.#held = type === PUBACK || type === PUBREC ? [] : undefined;
    this.#pass(Buffer.from(head));
  }

  #pass(part: Buffer): void {
    if (this.#held === undefined) {
      this.#inner.write(part);
      return;
    }
    this.#held.push(part);
    if (this.#bodyLeft > 0) return;
    const bytes = Buffer.concat(this.#held);
    this.#held = undefined;
    this.#hold(bytes);
  }

  #hold(bytes: Buffer): void {
    const kind = ((bytes[0] ?? 0) & 0xf0) === PUBACK ? 'puback' : 'pubrec';
    // An acknowledgement is shorter than 128 bytes: its message id stands after two bytes of head.
    const ack = this.#acks[kind].get(bytes.readUInt16BE(2));
    if (ack === undefined) {
      this.#inner.write(bytes);
      return;
    }
    ack.bytes = bytes;
    this.#flush(kind);
  }

  #flushAll(): void {
    this.#flush('puback');
    this.#flush('pubrec');
  }

  #flush(kind: AckKind): void {
    // Inside another packet nothing may be written; its last byte flushes again.
    if (this.#bodyLeft > 0 || this.#head.length > 0) return;
    const acks = this.#acks[kind];
    for (const [messageId, { settled, bytes }] of acks) {
      if (!settled || bytes === undefined) return;
      acks.delete(messageId);
      this.#inner.write(bytes);
    }
  }
}
