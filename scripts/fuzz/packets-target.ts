import { decode } from '../../src/bus/guard/decode.ts';
import { createFrames } from '../../src/bus/guard/frames.ts';
import { Violation } from '../../src/bus/guard/violation.ts';
import { sessionPackets } from './mqtt-grammar.ts';
import type { Target } from './target.ts';

/** Packets of one input: a connection's beginning. */
const PACKETS_MAX = 6;
/** A broker's default is larger; here a wrong length must not wait for more than comes. */
const PACKET_BYTES_MAX = 1 << 20;

/** The guard's own reader of packets, without a socket: each input is the bytes of one connection. */
export async function openPacketsTarget(): Promise<Target> {
  return {
    input(random) {
      const dialect = { version: random.pick([3, 4, 5] as const), prefix: 'p' };
      return Buffer.concat(sessionPackets(random, dialect, 1 + random.below(PACKETS_MAX)));
    },
    async check(bytes) {
      try {
        readConnection(Buffer.from(bytes));
      } catch (error) {
        if (!(error instanceof Violation)) throw error;
      }
    },
  };
}

/** Cuts the bytes at changing places and decodes every packet, as the gate does. */
function readConnection(bytes: Buffer): void {
  let version: 3 | 4 | 5 | undefined;
  const frames = createFrames((_, packetBytes) => {
    if (packetBytes > PACKET_BYTES_MAX) throw new Violation(0x95, 'too large');
  });
  const step = 1 + (bytes.length % 13);
  for (let at = 0; at < bytes.length; at += step) {
    frames.push(bytes.subarray(at, at + step), (frame) => {
      const packet = decode(frame, { version, bridgeMode: false });
      if (packet.cmd === 'connect') version = packet.protocolVersion as 3 | 4 | 5;
      return 'go on';
    });
  }
}
