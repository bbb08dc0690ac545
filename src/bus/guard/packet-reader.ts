import { isUtf8 } from 'node:buffer';
import { malformed } from './violation.ts';

/** Reads the fields of one packet. Every read past the end of the packet throws a `Violation`. */
export class PacketReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, from: number, end: number) {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = end;
  }

  /** Bytes that are left. */
  get left(): number {
    return this.#end - this.#at;
  }

  byte(what: string): number {
    this.#need(1, what);
    const value = this.#bytes[this.#at] as number;
    this.#at += 1;
    return value;
  }

  uint16(what: string): number {
    this.#need(2, what);
    const value = this.#bytes.readUInt16BE(this.#at);
    this.#at += 2;
    return value;
  }

  uint32(what: string): number {
    this.#need(4, what);
    const value = this.#bytes.readUInt32BE(this.#at);
    this.#at += 4;
    return value;
  }

  /** A number of one to four bytes, in as few bytes as it needs [MQTT-1.5.5-1]. */
  variable(what: string): number {
    let value = 0;
    for (let count = 0; count < 4; count += 1) {
      const byte = this.byte(what);
      value += (byte & 0x7f) << (7 * count);
      if (byte < 0x80) {
        if (byte === 0 && count > 0) throw malformed(`${what} takes more bytes than it needs`);
        return value;
      }
    }
    throw malformed(`${what} has more than four bytes`);
  }

  /** A string: valid UTF-8 [MQTT-1.5.4-1] without U+0000 [MQTT-1.5.4-2]; a BOM stays [MQTT-1.5.4-3]. */
  text(what: string): string {
    const length = this.uint16(what);
    this.#need(length, what);
    const from = this.#at;
    const end = from + length;
    this.#at = end;
    let beyondAscii = 0;
    for (let at = from; at < end; at += 1) {
      const byte = this.#bytes[at] as number;
      if (byte === 0) throw malformed(`${what} has a null character`);
      beyondAscii |= byte;
    }
    if (beyondAscii < 0x80) return this.#bytes.toString('latin1', from, end);
    if (!isUtf8(this.#bytes.subarray(from, end))) throw malformed(`${what} is not valid UTF-8`);
    return this.#bytes.toString('utf8', from, end);
  }

  /** Bytes behind a length of two bytes. They share memory with the packet. */
  binary(what: string): Buffer {
    const length = this.uint16(what);
    this.#need(length, what);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** Everything that is left. It shares memory with the packet. */
  rest(): Buffer {
    const bytes = this.#bytes.subarray(this.#at, this.#end);
    this.#at = this.#end;
    return bytes;
  }

  /** A reader of the next bytes alone; this one goes on behind them. */
  part(length: number, what: string): PacketReader {
    this.#need(length, what);
    this.#at += length;
    return new PacketReader(this.#bytes, this.#at - length, this.#at);
  }

  /** Throws where bytes are left over. */
  finish(what: string): void {
    if (this.left > 0) throw malformed(`${what} has ${this.left} bytes too many`);
  }

  #need(length: number, what: string): void {
    if (this.#end - this.#at < length) throw malformed(`${what} is cut off`);
  }
}
