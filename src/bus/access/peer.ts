import { isIP, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** The other end of a connection, as it was when the connection began. */
export interface Peer {
  readonly address: string | undefined;
  /** The name in its verified certificate, where that is the user name; '' for one without a name. */
  readonly certificateName?: string | undefined;
}

/** Reads the other end of a socket; of a TLS socket with the name in its certificate, if asked for. */
export function peerOf(socket: Socket, identity: 'none' | 'common-name' = 'none'): Peer {
  const address = socket.remoteAddress;
  if (identity === 'none' || !(socket instanceof TLSSocket) || !socket.authorized) {
    return { address };
  }
  // Two names in one certificate come as a list: none of them is taken.
  const name: unknown = socket.getPeerCertificate().subject?.CN;
  return { address, certificateName: typeof name === 'string' ? name : '' };
}

/** For people: what to call the other end in a log line. */
export function peerName({ address }: Peer): string {
  if (address === undefined) return 'an unknown address';
  return isIP(address) === 6 ? `[${address}]` : address;
}
